// Packed weights into the order of shuffle_weight((16, 16)), or back.
//
// That order is slabs of 16 rows × 32 bytes, 512 bytes each, row-panel by row-panel; 16-byte runs stay together, so
// no lane needs another's data. A wave takes four slabs, 128 bytes of 16 rows: it touches whole 128-byte lines on
// both sides.
#include "blocks.h"
#include "params.h"

enum class Direction { shuffle, unshuffle };
constexpr auto TOWARDS = Direction::DIRECTION;

constexpr uint32_t SLAB = 512;
/// Slabs of a wave.
constexpr uint32_t SLABS = BYTES_PER_WORKGROUP / SLAB / WAVES;
static_assert(SLABS == 4);

KERNEL(THREADS) shuffle_weights(ShuffleWeights p) {
  const uint32_t slabs_of_panel = p.row_bytes / 32, total = p.rows / 16 * slabs_of_panel;
  const uint32_t first = (workgroup() * WAVES + wave()) * SLABS;
  const Wrap wrap(first, slabs_of_panel);
  const uint32_t slab = lane() % 8 / 2, half = lane() % 2;
  if (first + slab >= total) return;
  const uint32_t panels_on = wrap.rows_on(slab);
  const uint32_t panel = wrap.row + panels_on, column = wrap.column + slab - panels_on * slabs_of_panel;
  u32x4 runs[2];
  uint64_t target[2];
  for (int i = 0; i < 2; ++i) {
    const uint32_t row = i * 8 + lane() / 8;
    const uint64_t plain = (uint64_t(panel) * 16 + row) * p.row_bytes + column * 32 + half * 16;
    const uint64_t shuffled = uint64_t(first + slab) * SLAB + half * 256 + row * 16;
    runs[i] = load<u32x4>(at(p.source, TOWARDS == Direction::shuffle ? plain : shuffled));
    target[i] = TOWARDS == Direction::shuffle ? shuffled : plain;
  }
  for (int i = 0; i < 2; ++i) store(at(p.target, target[i]), runs[i]);
}
