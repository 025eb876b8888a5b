// E8M0 scales into the order of e8m0_shuffle, or back.
//
// The shuffled buffer is panels of 32 rows × 8 groups. A lane moves eight bytes of one row for each of two panels:
// lanes r and r + 16 exchange halves, then quads transpose, and 16 bytes of the shuffled buffer are in one lane.
#include "blocks.h"
#include "params.h"

enum class Direction { shuffle, unshuffle };
constexpr auto TOWARDS = Direction::DIRECTION;

constexpr uint32_t PANEL = 256;
/// Panels of a wave: two by lanes 0 to 31, two by lanes 32 to 63.
constexpr uint32_t PANELS = 4;
static_assert(BYTES_PER_WORKGROUP == PANEL * PANELS * WAVES);

/// Bytes 0, 1 of `low` and of `high`, and bytes 2, 3 of both: the halves that lanes r and r + 16 exchange.
constexpr uint32_t LOWER_HALVES = 0x05040100, UPPER_HALVES = 0x07060302;
/// Bytes 0 and 2 of two words in turn, and bytes 1 and 3.
constexpr uint32_t EVEN_BYTES = 0x06020400, ODD_BYTES = 0x07030501;

/// v_perm_b32: selector byte 0 to 3 is a byte of `low`, 4 to 7 one of `high`.
DEVICE uint32_t pick(uint32_t high, uint32_t low, uint32_t selector) {
  return __builtin_amdgcn_perm(high, low, selector);
}

/// Row 1 of each half-wave's `a` against row 0 of its `b`.
DEVICE void swap_rows(uint32_t& a, uint32_t& b) {
  const auto swapped = __builtin_amdgcn_permlane16_swap(a, b, false, false);
  a = swapped[0];
  b = swapped[1];
}

/// Eight scales of row `lane() % 32` to the dwords of groups g and g + 1, g being 0, or 2 in the upper rows: rows
/// r and r + 16, groups g and g + 4 in each dword.
DEVICE u32x2 to_dwords(u32x2 row) {
  uint32_t a = pick(row.y, row.x, LOWER_HALVES), b = pick(row.y, row.x, UPPER_HALVES);
  swap_rows(a, b);
  return {pick(b, a, EVEN_BYTES), pick(b, a, ODD_BYTES)};
}

/// The inverse: it takes the same exchanges in the opposite order.
DEVICE u32x2 to_row(u32x2 dwords) {
  uint32_t a = pick(dwords.y, dwords.x, EVEN_BYTES), b = pick(dwords.y, dwords.x, ODD_BYTES);
  swap_rows(a, b);
  return {pick(b, a, LOWER_HALVES), pick(b, a, UPPER_HALVES)};
}

/// Up to eight scales at any address; zeros after the first `count`.
DEVICE u32x2 load_row(const uint8_t* address, uint32_t count) {
  if (count >= 8) return load_unaligned<u32x2>(address);
  uint64_t row = 0;
  for (uint32_t i = 0; i < 7; ++i) {
    if (i < count) row |= uint64_t(load<uint8_t>(address + i)) << 8 * i;
  }
  return bits_as<u32x2>(row);
}

DEVICE void store_row(uint8_t* address, uint32_t count, u32x2 row) {
  if (count >= 8) return store_unaligned(address, row);
  for (uint32_t i = 0; i < 7; ++i) {
    if (i < count) store<uint8_t>(address + i, row[i / 4] >> 8 * (i % 4));
  }
}

KERNEL(THREADS) shuffle_scales(ShuffleScales p) {
  const uint32_t panels_of_row = (p.groups + 7) / 8, total = (p.m + 255) / 256 * 8 * panels_of_row;
  const uint32_t first = (workgroup() * WAVES + wave()) * PANELS;
  const Wrap wrap(first, panels_of_row);

  // Of this lane's two panels: its eight scales in the plain tensor, and how many of them exist.
  uint64_t plain[2];
  uint32_t count[2];
  for (uint32_t i = 0; i < 2; ++i) {
    const uint32_t n = lane() / 32 * 2 + i, rows_on = wrap.rows_on(n);
    const uint32_t row = (wrap.row + rows_on) * 32 + lane() % 32;
    const uint32_t group = (wrap.column + n - rows_on * panels_of_row) * 8;
    plain[i] = uint64_t(row) * p.groups + group;
    count[i] = row < p.m ? p.groups - group : 0;
  }
  // Its 16 bytes in the shuffled buffer: of one of the two panels, four rows of one group and of the fourth after.
  const uint32_t item = lane() % 4, group = lane() / 16 % 2 * 2 + item % 2;
  const uint32_t panel = first + lane() / 32 * 2 + item / 2;
  const uint64_t shuffled = uint64_t(panel) * PANEL + group * 64 + lane() % 16 / 4 * 16;

  if constexpr (TOWARDS == Direction::shuffle) {
    const u32x2 a = to_dwords(load_row(at(p.source, plain[0]), count[0]));
    const u32x2 b = to_dwords(load_row(at(p.source, plain[1]), count[1]));
    uint32_t words[4] = {a.x, a.y, b.x, b.y};
    quad_transpose(words);
    if (panel < total) store(at(p.target, shuffled), u32x4{words[0], words[1], words[2], words[3]});
  } else {
    const auto loaded = panel < total ? load<u32x4>(at(p.source, shuffled)) : u32x4{};
    uint32_t words[4] = {loaded.x, loaded.y, loaded.z, loaded.w};
    quad_transpose(words);
    store_row(at(p.target, plain[0]), count[0], to_row(u32x2{words[0], words[1]}));
    store_row(at(p.target, plain[1]), count[1], to_row(u32x2{words[2], words[3]}));
  }
}
