//! Units as types, and the shape of the device.

use emulator::Needs;
use serde::{Deserialize, Serialize};

/// Time of a compute unit in 1/256 cycle: integers, so that a prediction is the same everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticks(pub u64);

impl Ticks {
    /// Ticks of a cycle.
    pub const PER_CYCLE: u64 = 256;

    /// Whole cycles.
    pub const fn cycles(cycles: u64) -> Ticks {
        Ticks(cycles * Ticks::PER_CYCLE)
    }

    /// A measured number of cycles, rounded; none if negative.
    pub fn from_cycles(cycles: f64) -> Ticks {
        Ticks((cycles * Ticks::PER_CYCLE as f64).round() as u64)
    }

    /// As cycles.
    pub fn as_cycles(self) -> f64 {
        self.0 as f64 / Ticks::PER_CYCLE as f64
    }

    /// How much later than `other`; nothing if it is earlier.
    pub const fn since(self, other: Ticks) -> Ticks {
        Ticks(self.0.saturating_sub(other.0))
    }

    /// Earlier by a time; 0 if that is before the beginning.
    pub const fn less(self, by: Ticks) -> Ticks {
        Ticks(self.0.saturating_sub(by.0))
    }

    /// As nanoseconds of a clock.
    pub fn at(self, clock: Hertz) -> Nanoseconds {
        Nanoseconds(self.as_cycles() * 1e9 / clock.0)
    }
}

impl std::ops::Add for Ticks {
    type Output = Ticks;

    fn add(self, other: Ticks) -> Ticks {
        Ticks(self.0 + other.0)
    }
}

impl std::ops::AddAssign for Ticks {
    fn add_assign(&mut self, other: Ticks) {
        self.0 += other.0;
    }
}

/// A clock.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Hertz(pub f64);

/// Modelled time.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Nanoseconds(pub f64);

impl Nanoseconds {
    /// As microseconds.
    pub fn microseconds(self) -> f64 {
        self.0 / 1e3
    }
}

impl std::ops::Add for Nanoseconds {
    type Output = Nanoseconds;

    fn add(self, other: Nanoseconds) -> Nanoseconds {
        Nanoseconds(self.0 + other.0)
    }
}

/// The device's parts. Workgroups go to the XCDs in turn, within an XCD to the first free compute unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topology {
    /// Compute dies.
    pub xcds: u32,
    /// Compute units of an XCD.
    pub units_per_xcd: u32,
    /// SIMDs of a compute unit.
    pub simds: u32,
    /// Waves of a SIMD at most.
    pub waves_per_simd: u32,
    /// Vector registers of a SIMD, in registers of a wave.
    pub vgprs: u32,
    /// LDS of a compute unit.
    pub lds_bytes: u32,
    /// Bytes of the Infinity Cache.
    pub infinity_cache_bytes: u64,
    /// Bytes of the L2 of an XCD.
    pub l2_bytes: u64,
}

impl Topology {
    /// AMD's data sheet and CDNA4 white paper; a rocprof dump of an MI355X agrees on units, SIMDs and waves.
    pub const MI355X: Topology = Topology {
        xcds: 8,
        units_per_xcd: 32,
        simds: 4,
        waves_per_simd: 8,
        vgprs: 512,
        lds_bytes: 160 * 1024,
        infinity_cache_bytes: 256 << 20,
        l2_bytes: 4 << 20,
    };

    /// Compute units.
    pub const fn compute_units(self) -> u32 {
        self.xcds * self.units_per_xcd
    }

    /// Compute units that take `groups` workgroups which start together: none gets a second one before all have one. The
    /// workgroup manager deals to the XCDs in turn, and there to the shader engines and their units; how it breaks ties
    /// among units is not public.
    pub fn units(self, groups: u32) -> u32 {
        groups.clamp(1, self.compute_units())
    }

    /// Workgroups that a compute unit holds at a time; 0 if not even one fits.
    pub fn resident(self, needs: Needs) -> u32 {
        let waves = needs.waves.max(1).div_ceil(self.simds);
        let by_registers = self.vgprs / needs.vgprs.max(1).next_multiple_of(8);
        let by_waves = self.waves_per_simd.min(by_registers) / waves;
        let by_lds = self.lds_bytes.checked_div(needs.lds_bytes.next_multiple_of(1280)).unwrap_or(u32::MAX);
        by_waves.min(by_lds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn occupancy_is_limited_by_registers_waves_and_lds() {
        let needs = |waves, vgprs, lds_bytes| Needs { waves, vgprs, lds_bytes, scratch_bytes: 0 };
        let resident = |needs| Topology::MI355X.resident(needs);
        assert_eq!(resident(needs(4, 512, 0)), 1);
        assert_eq!(resident(needs(4, 128, 0)), 4);
        assert_eq!(resident(needs(4, 64, 163_840)), 1);
        assert_eq!(resident(needs(8, 64, 40_000)), 4);
        assert_eq!(resident(needs(1, 24, 0)), 8);
    }

    #[test]
    fn a_second_workgroup_waits_until_every_unit_has_one() {
        assert_eq!(
            [1, 255, 256, 257, 512].map(|groups| Topology::MI355X.units(groups)),
            [1, 255, 256, 256, 256]
        );
    }

    #[test]
    fn ticks_are_fractions_of_cycles() {
        assert_eq!(Ticks::from_cycles(1.5), Ticks(384));
        assert_eq!(Ticks::cycles(2400).at(Hertz(2.4e9)), Nanoseconds(1000.0));
    }
}
