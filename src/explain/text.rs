//! An explanation as tables.

use super::{Explained, Explanation, Place};
use crate::bench::Nanos;
use crate::report;

/// Stalls that are shown.
const STALLS: usize = 10;
/// Instructions with bank conflicts that are shown.
const CONFLICTS: usize = 10;

impl Explained {
    /// Label, time, error and reasons, then tables of where the time goes.
    #[must_use]
    pub fn text(&self) -> String {
        let m = &self.modelled;
        let time = m.nanos().map_or_else(String::new, |nanos| format!("{nanos} {}, ", m.error()));
        let mut text = format!("{time}{} ({} caches, model {})\n", m.label, m.caches, m.model);
        for reason in &m.reasons {
            text += &format!("  {reason}\n");
        }
        match &self.explanation {
            Some(explanation) => text + &explanation.text(),
            None => text + "The model does not cover this launch: there is no time to explain.\n",
        }
    }
}

impl Explanation {
    fn text(&self) -> String {
        let share = |ns: f64| format!("{:.1}", 100.0 * ns / self.time_ns);
        let row = |name: &str, ns: f64| vec![name.to_owned(), Nanos(ns).to_string(), share(ns)];
        let shown = self.causes.iter().filter(|cause| cause.ns > 0.0);
        let mut rows: Vec<_> = shown.map(|cause| row(&cause.name, cause.ns)).collect();
        rows.push(row("together", self.causes.iter().map(|cause| cause.ns).sum()));
        let mut text = format!(
            "\nWhere the time goes, mean over waves:\n{}",
            report::table(&["cause", "modelled", "%"], &[1, 2], rows)
        );
        let percent = |share: f64| format!("{:.1}", 100.0 * share);
        let rows =
            self.parts.iter().map(|busy| vec![busy.name.clone(), percent(busy.share), percent(busy.of_all)]);
        text += &format!(
            "\nParts of a compute unit, and its share of those that it has not alone:\n{}",
            report::table(&["part", "busy at work, %", "of all time, %"], &[1, 2], rows)
        );
        let binding = &self.binding;
        text += &match binding.saturated {
            true => format!(
                "\nbound by: {}, which works at {:.0} % of what it can\n",
                binding.part,
                100.0 * binding.achieved
            ),
            false => format!(
                "\nbound by: latency; the busiest part, {}, works at {:.0} % of what it can\n",
                binding.part,
                100.0 * binding.achieved
            ),
        };
        let occupancy = &self.occupancy;
        text += &format!(
            "occupancy: {} workgroup(s) of a compute unit, {} wave(s) of a SIMD, limited by {}\nclock: {:.2} GHz\n",
            occupancy.workgroups,
            occupancy.waves_per_simd,
            occupancy.limited_by.join(" and "),
            self.clock_ghz,
        );
        text + &self.stalls() + &self.conflicts()
    }

    fn stalls(&self) -> String {
        let rows = self.stalls.iter().filter(|stall| stall.ns > 0.0).take(STALLS).map(|stall| {
            let place = self.place(stall.offset);
            let awaited = stall.awaits.and_then(|offset| self.place(offset));
            vec![
                Nanos(stall.ns).to_string(),
                format!("{:.1}", 100.0 * stall.ns / self.time_ns),
                stall.cause.clone(),
                place.map_or_else(|| stall.mnemonic.clone(), spelt),
                awaited.map_or_else(String::new, spelt),
                awaited.or(place).and_then(|place| place.source.clone()).unwrap_or_default(),
            ]
        });
        let rows: Vec<_> = rows.collect();
        if rows.is_empty() {
            return "\nNo instruction waits.\n".to_owned();
        }
        let header = ["modelled", "%", "waits for", "instruction", "data of", "source"];
        format!("\nLongest waits:\n{}", report::table(&header, &[0, 1], rows))
    }

    fn conflicts(&self) -> String {
        let mut places: Vec<&Place> =
            self.places.iter().filter(|place| place.conflict_cycles > 0.0).collect();
        if places.is_empty() {
            return "\nNo LDS bank conflicts.\n".to_owned();
        }
        places.sort_by(|a, b| b.conflict_cycles.total_cmp(&a.conflict_cycles));
        let rows = places.iter().take(CONFLICTS).map(|place| {
            vec![
                format!("{:.0}", place.conflict_cycles),
                format!("{:.0}", place.lds_cycles),
                spelt(place),
                place.source.clone().unwrap_or_default(),
            ]
        });
        let header = ["conflicts", "of LDS cycles", "instruction", "source"];
        format!("\nLDS bank conflicts, cycles of a workgroup:\n{}", report::table(&header, &[0, 1], rows))
    }
}

/// `+0x1c: ds_read_b128 v[0:3], v4`, cut where it gets long.
fn spelt(place: &Place) -> String {
    const MOST: usize = 44;
    let text = place.text.as_deref().unwrap_or(&place.mnemonic);
    let shown: String = text.chars().take(MOST).collect();
    let more = if shown.len() < text.len() { "…" } else { "" };
    format!("+{:#x}: {shown}{more}", place.offset)
}
