//! A wave, memory and LDS to execute single instructions on, by their assembly text.

use crate::{
    exec::resolve,
    fault::FaultKind,
    lanes::Lanes,
    memory::{Memory, View},
    op::EXEC,
    simd::execute,
    wave::{Cx, Wave},
};

/// State that instructions run on.
pub(crate) struct Rig {
    pub memory: Memory,
    pub lds: Vec<u8>,
    pub wave: Wave,
    pub clamp_lds: bool,
}

impl Rig {
    /// 32 + 32 vector registers, 4 KiB of LDS full of 0xee, EXEC full, 1 TiB of device memory.
    pub(crate) fn new() -> Rig {
        Rig {
            memory: Memory::new(1 << 40),
            lds: vec![0xee; 4096],
            wave: Wave::new(0, 32, 32),
            clamp_lds: false,
        }
    }

    /// An allocation holding `bytes`.
    pub(crate) fn place(&self, bytes: &[u8]) -> u64 {
        let base = self.memory.alloc(bytes.len() as u64).expect("fits");
        self.memory.write(base, bytes).expect("its own bytes");
        base
    }

    /// Device bytes.
    pub(crate) fn bytes(&self, address: u64, n: usize) -> Vec<u8> {
        let mut bytes = vec![0; n];
        self.memory.read(address, &mut bytes).expect("allocated");
        bytes
    }

    pub(crate) fn set(&mut self, register: u16, lane: impl Fn(usize) -> u32) {
        *self.wave.vector_mut(register).expect("allocated") = Lanes(std::array::from_fn(lane));
    }

    /// A 64-bit value per lane.
    pub(crate) fn set_pair(&mut self, register: u16, lane: impl Fn(usize) -> u64) {
        self.set(register, |i| lane(i) as u32);
        self.set(register + 1, |i| (lane(i) >> 32) as u32);
    }

    pub(crate) fn get(&self, register: u16) -> [u32; 64] {
        self.wave.vector(register).expect("allocated").0
    }

    pub(crate) fn get_pair(&self, register: u16) -> [u64; 64] {
        let (low, high) = (self.get(register), self.get(register + 1));
        std::array::from_fn(|lane| low[lane] as u64 | (high[lane] as u64) << 32)
    }

    pub(crate) fn exec(&mut self, mask: u64) {
        self.wave.set_scalar64(EXEC, mask);
    }

    /// Assembles (from [`WORDS`]), decodes and executes; the fault's kind if it faults.
    pub(crate) fn run(&mut self, text: &str) -> Result<(), FaultKind> {
        let view = self.memory.view();
        self.run_in(&view, text)
    }

    /// [`Rig::run`] on another memory.
    pub(crate) fn run_in(&mut self, view: &View, text: &str) -> Result<(), FaultKind> {
        let op = resolve(&Rig::decode(text));
        let cx = &mut Cx { clamp_lds: self.clamp_lds, ..Cx::new(&mut self.lds, view) };
        execute(&mut self.wave, &op, cx).map_err(|fault| fault.kind)
    }

    /// The instruction of an assembly text in [`WORDS`].
    pub(crate) fn decode(text: &str) -> cdna4::Inst {
        let (hex, _) = WORDS.iter().find(|(_, known)| *known == text).expect("the text is in WORDS");
        let bytes: Vec<u8> = (0..hex.len() / 2)
            .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).expect("hex"))
            .collect();
        cdna4::decode(&bytes).expect("a gfx950 instruction")
    }

    /// `s_waitcnt`.
    pub(crate) fn wait(&mut self, vm: u32, lgkm: u32) {
        let view = self.memory.view();
        self.wave.wait(&mut Cx::new(&mut self.lds, &view), vm, lgkm);
    }
}

/// Encodings as LLVM 22's assembler gives them for gfx950.
#[rustfmt::skip]
const WORDS: &[(&str, &str)] = &[
    ("008040dc02007f08", "global_load_ubyte v8, v[2:3], off"),
    ("fd9f44dc02007f08", "global_load_sbyte v8, v[2:3], off offset:-3"),
    ("018048dc02007f08", "global_load_ushort v8, v[2:3], off offset:1"),
    ("00804cdc02007f08", "global_load_sshort v8, v[2:3], off"),
    ("ff8f50dc02007f08", "global_load_dword v8, v[2:3], off offset:4095"),
    ("009054dc02007f08", "global_load_dwordx2 v[8:9], v[2:3], off offset:-4096"),
    ("008058dc02007f08", "global_load_dwordx3 v[8:10], v[2:3], off"),
    ("00805cdc02007f08", "global_load_dwordx4 v[8:11], v[2:3], off"),
    ("10805cdc04000408", "global_load_dwordx4 v[8:11], v4, s[4:5] offset:16"),
    ("008054dc04008408", "global_load_dwordx2 a[8:9], v4, s[4:5]"),
    ("008080dc02007f08", "global_load_ubyte_d16 v8, v[2:3], off"),
    ("008084dc02007f08", "global_load_ubyte_d16_hi v8, v[2:3], off"),
    ("008088dc02007f08", "global_load_sbyte_d16 v8, v[2:3], off"),
    ("00808cdc02007f08", "global_load_sbyte_d16_hi v8, v[2:3], off"),
    ("008090dc02007f08", "global_load_short_d16 v8, v[2:3], off"),
    ("008094dc02007f08", "global_load_short_d16_hi v8, v[2:3], off"),
    ("008060dc02087f00", "global_store_byte v[2:3], v8, off"),
    ("008064dc02087f00", "global_store_byte_d16_hi v[2:3], v8, off"),
    ("008068dc02087f00", "global_store_short v[2:3], v8, off"),
    ("00806cdc02087f00", "global_store_short_d16_hi v[2:3], v8, off"),
    ("008070dc02087f00", "global_store_dword v[2:3], v8, off"),
    ("008074dc02087f00", "global_store_dwordx2 v[2:3], v[8:9], off"),
    ("008078dc02087f00", "global_store_dwordx3 v[2:3], v[8:10], off"),
    ("00807cdc02087f00", "global_store_dwordx4 v[2:3], v[8:11], off"),
    ("00807cdc04080400", "global_store_dwordx4 v4, v[8:11], s[4:5]"),
    ("008001dd02087f0c", "global_atomic_swap v12, v[2:3], v8, off sc0"),
    ("008005dd02087f0c", "global_atomic_cmpswap v12, v[2:3], v[8:9], off sc0"),
    ("008009dd02087f0c", "global_atomic_add v12, v[2:3], v8, off sc0"),
    ("00800ddd02087f0c", "global_atomic_sub v12, v[2:3], v8, off sc0"),
    ("008011dd02087f0c", "global_atomic_smin v12, v[2:3], v8, off sc0"),
    ("008015dd02087f0c", "global_atomic_umin v12, v[2:3], v8, off sc0"),
    ("008019dd02087f0c", "global_atomic_smax v12, v[2:3], v8, off sc0"),
    ("00801ddd02087f0c", "global_atomic_umax v12, v[2:3], v8, off sc0"),
    ("008021dd02087f0c", "global_atomic_and v12, v[2:3], v8, off sc0"),
    ("008025dd02087f0c", "global_atomic_or v12, v[2:3], v8, off sc0"),
    ("008029dd02087f0c", "global_atomic_xor v12, v[2:3], v8, off sc0"),
    ("00802ddd02087f0c", "global_atomic_inc v12, v[2:3], v8, off sc0"),
    ("008031dd02087f0c", "global_atomic_dec v12, v[2:3], v8, off sc0"),
    ("008035dd02087f0c", "global_atomic_add_f32 v12, v[2:3], v8, off sc0"),
    ("008039dd02087f0c", "global_atomic_pk_add_f16 v12, v[2:3], v8, off sc0"),
    ("008049dd02087f0c", "global_atomic_pk_add_bf16 v12, v[2:3], v8, off sc0"),
    ("00803ddd02087f0c", "global_atomic_add_f64 v[12:13], v[2:3], v[8:9], off sc0"),
    ("008041dd02087f0c", "global_atomic_min_f64 v[12:13], v[2:3], v[8:9], off sc0"),
    ("008045dd02087f0c", "global_atomic_max_f64 v[12:13], v[2:3], v[8:9], off sc0"),
    ("008089dd02087f0c", "global_atomic_add_x2 v[12:13], v[2:3], v[8:9], off sc0"),
    ("008085dd02087f0c", "global_atomic_cmpswap_x2 v[12:13], v[2:3], v[8:11], off sc0"),
    ("008091dd02087f0c", "global_atomic_smin_x2 v[12:13], v[2:3], v[8:9], off sc0"),
    ("0080addd02087f0c", "global_atomic_inc_x2 v[12:13], v[2:3], v[8:9], off sc0"),
    ("0080b1dd02087f0c", "global_atomic_dec_x2 v[12:13], v[2:3], v[8:9], off sc0"),
    ("008008dd02087f00", "global_atomic_add v[2:3], v8, off"),
    ("008034dd02087f00", "global_atomic_add_f32 v[2:3], v8, off"),
    ("040050dc02000008", "flat_load_dword v8, v[2:3] offset:4"),
    ("000048dc02000008", "flat_load_ushort v8, v[2:3]"),
    ("000074dc02080000", "flat_store_dwordx2 v[2:3], v[8:9]"),
    ("000009dd0208000c", "flat_atomic_add v12, v[2:3], v8 sc0"),
    ("000089dd0208000c", "flat_atomic_add_x2 v[12:13], v[2:3], v[8:9] sc0"),
    ("f07f7cdc04080600", "scratch_store_dwordx4 v4, v[8:11], s6 offset:-16"),
    ("f07f5cdc0400060c", "scratch_load_dwordx4 v[12:15], v4, s6 offset:-16"),
    ("064068dc00080600", "scratch_store_short off, v8, s6 offset:6"),
    ("064048dc0000060c", "scratch_load_ushort v12, off, s6 offset:6"),
    ("006050dc04007f0c", "scratch_load_dword v12, v4, off"),
    ("006070dc04087f00", "scratch_store_dword v4, v8, off"),
    ("0880a8dc02007f00", "global_load_lds_dword v[2:3], off offset:8"),
    ("0080f8dd02007f00", "global_load_lds_dwordx3 v[2:3], off"),
    ("1080f4dd04000400", "global_load_lds_dwordx4 v4, s[4:5] offset:16"),
    ("00809cdc02007f00", "global_load_lds_sbyte v[2:3], off"),
    ("0080a0dc02007f00", "global_load_lds_ushort v[2:3], off"),
    ("101050e004080206", "buffer_load_dword v8, v4, s[8:11], s6 offen offset:16"),
    ("00105ce004080280", "buffer_load_dwordx4 v[8:11], v4, s[8:11], 0 offen"),
    ("001058e004080280", "buffer_load_dwordx3 v[8:10], v4, s[8:11], 0 offen"),
    ("001048e004080280", "buffer_load_ushort v8, v4, s[8:11], 0 offen"),
    ("050040e000080280", "buffer_load_ubyte v8, off, s[8:11], 0 offset:5"),
    ("001090e004080280", "buffer_load_short_d16 v8, v4, s[8:11], 0 offen"),
    ("00107ce004080206", "buffer_store_dwordx4 v[8:11], v4, s[8:11], s6 offen"),
    ("001060e004080280", "buffer_store_byte v8, v4, s[8:11], 0 offen"),
    ("043050e004080206", "buffer_load_dword v8, v[4:5], s[8:11], s6 idxen offen offset:4"),
    ("002050e004080280", "buffer_load_dword v8, v4, s[8:11], 0 idxen"),
    ("10105de004000206", "buffer_load_dwordx4 v4, s[8:11], s6 offen offset:16 lds"),
    ("001051e004000280", "buffer_load_dword v4, s[8:11], 0 offen lds"),
    ("005008e104080280", "buffer_atomic_add v8, v4, s[8:11], 0 offen sc0"),
    ("001048e104080280", "buffer_atomic_pk_add_bf16 v8, v4, s[8:11], 0 offen"),
    ("001034e104080280", "buffer_atomic_add_f32 v8, v4, s[8:11], 0 offen"),
    ("00200ce004080280", "buffer_load_format_xyzw v[8:11], v4, s[8:11], 0 idxen"),
    ("002014e004080280", "buffer_store_format_xy v[8:9], v4, s[8:11], 0 idxen"),
    ("002000e004080280", "buffer_load_format_x v8, v4, s[8:11], 0 idxen"),
    ("0080a0e000000000", "buffer_wbl2 sc1"),
    ("0080a4e000000000", "buffer_inv sc1"),
    ("020402c007000000", "s_load_dword s16, s[4:5], 0x7"),
    ("020406c0f8ff1f00", "s_load_dwordx2 s[16:17], s[4:5], -0x8"),
    ("020408c006000000", "s_load_dwordx4 s[16:19], s[4:5], s6"),
    ("02440ec02000000c", "s_load_dwordx8 s[16:23], s[4:5], s6 offset:0x20"),
    ("020412c000000000", "s_load_dwordx16 s[16:31], s[4:5], 0x0"),
    ("821a06c000000000", "s_load_dwordx2 vcc, s[4:5], 0x0"),
    ("04042ac018000000", "s_buffer_load_dwordx4 s[16:19], s[8:11], 0x18"),
    ("040420c006000000", "s_buffer_load_dword s16, s[8:11], s6"),
    ("020446c004000000", "s_store_dwordx2 s[16:17], s[4:5], 0x4"),
    ("04046ac018000000", "s_buffer_store_dwordx4 s[16:19], s[8:11], 0x18"),
    ("020433c200000000", "s_atomic_dec s16, s[4:5], 0x0 glc"),
    ("02040ac200000000", "s_atomic_add s16, s[4:5], 0x0"),
    ("020487c208000000", "s_atomic_cmpswap_x2 s[16:19], s[4:5], 0x8 glc"),
    ("04041fc104000000", "s_buffer_atomic_umax s16, s[8:11], 0x4 glc"),
    ("000490c000000000", "s_memtime s[16:17]"),
    ("000084c000000000", "s_dcache_wb"),
];
