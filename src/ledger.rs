//! The virtual device's fidelity ledger: which instructions a kernel executed, what their results are worth, and
//! how far results that rest on an assumption got.

use serde::{Deserialize, Serialize};

use crate::device::OpenDevice;
use crate::report::{self, thousands};
use crate::{Error, Result};

/// What one or more launches of a kernel executed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ledger(pub Vec<Entry>);

/// One mnemonic, as `vhipReport` describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// As the ISA names it.
    pub mnemonic: String,
    /// `exact`, `assumed` or `unsupported`.
    pub class: String,
    /// Wave instructions.
    pub count: u64,
    /// Why it is in its class.
    pub reason: String,
    /// Whether its result follows from the policy for matrix sums.
    pub by_policy: bool,
    /// The first instruction that took such a result for an address.
    pub address: Option<Site>,
    /// The first that decided a branch, or which lanes are active, by one.
    pub branch: Option<Site>,
    /// Whether one was stored to device memory.
    pub output: bool,
}

/// An instruction of the kernel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Site {
    /// Bytes from the kernel's entry.
    pub offset: i64,
    /// Its text.
    pub instruction: String,
}

/// Has launches keep a ledger, or keep none any more.
///
/// # Errors
/// [`Error::Option`] on a GPU, [`Error::Device`] when the virtual device refuses.
pub fn keep(open: &OpenDevice, on: bool) -> Result<()> {
    if !open.is_virtual() {
        let reason = "a GPU keeps no ledger; only the virtual device does".to_owned();
        return Err(Error::Option { option: "--ledger", value: "(given)".into(), reason });
    }
    open.runtime.set_option("ledger", if on { "1" } else { "0" }).map_err(Error::Device)
}

impl Ledger {
    /// That of the last launch, out of its report; `None` where none was kept.
    ///
    /// # Errors
    /// [`hip::Error::Extension`] for a ledger that is not one.
    pub fn of_last_launch(open: &OpenDevice) -> hip::Result<Option<Self>> {
        let Some(mut report) = open.runtime.last_report()? else { return Ok(None) };
        serde_json::from_value(report["ledger"].take()).map_err(|error| hip::Error::Extension {
            function: "vhipReport",
            reason: format!("its ledger cannot be read: {error}"),
            library: open.runtime.library_path().to_owned(),
        })
    }

    /// Adds another launch of the same kernel.
    pub fn merge(&mut self, other: Self) {
        for entry in other.0 {
            let same = |own: &&mut Entry| own.mnemonic == entry.mnemonic && own.class == entry.class;
            match self.0.iter_mut().find(same) {
                Some(own) => own.merge(entry),
                None => self.0.push(entry),
            }
        }
        self.0.sort_by(|a, b| (&a.mnemonic, &a.class).cmp(&(&b.mnemonic, &b.class)));
    }

    /// A line that sums it up, a table of what is not exact, and the places that it reached.
    #[must_use]
    pub fn text(&self, kernel: &str) -> String {
        let of = |class: &str| self.0.iter().filter(|e| e.class == class).collect::<Vec<_>>();
        let (exact, assumed) = (of("exact"), of("assumed"));
        let executed = |entries: &[&Entry]| thousands(entries.iter().map(|e| e.count).sum());
        let mut text = format!(
            "\nledger of {kernel}: {} mnemonic(s) exact ({} executed), {} assumed ({} executed), {} unsupported\n",
            exact.len(),
            executed(&exact),
            assumed.len(),
            executed(&assumed),
            self.0.len() - exact.len() - assumed.len()
        );
        let rest: Vec<_> = self.0.iter().filter(|e| e.class != "exact").collect();
        if rest.is_empty() {
            return text;
        }
        let rows = rest.iter().map(|e| {
            vec![e.mnemonic.clone(), e.class.clone(), thousands(e.count), e.reach(), e.reason.clone()]
        });
        text += &report::table(&["mnemonic", "class", "count", "reach", "reason"], &[2], rows);
        for (what, site) in rest.iter().flat_map(|e| e.places()) {
            text += &format!("  {what} at {}: {}\n", place(site.offset), site.instruction);
        }
        text
    }
}

impl Entry {
    fn merge(&mut self, other: Self) {
        self.count += other.count;
        for (own, other) in [(&mut self.address, other.address), (&mut self.branch, other.branch)] {
            if let Some(other) = other
                && own.as_ref().is_none_or(|own| other.offset < own.offset)
            {
                *own = Some(other);
            }
        }
        self.output |= other.output;
    }

    /// Where its results got, worst first.
    fn reach(&self) -> String {
        let reached =
            [(self.address.is_some(), "address"), (self.branch.is_some(), "branch"), (self.output, "output")];
        let reached: Vec<_> = reached.iter().filter(|(got, _)| *got).map(|(_, what)| *what).collect();
        if reached.is_empty() { "-".to_owned() } else { reached.join(", ") }
    }

    fn places(&self) -> impl Iterator<Item = (String, &Site)> {
        let places = [("an address", &self.address), ("a branch", &self.branch)];
        places
            .into_iter()
            .filter_map(|(what, site)| Some((format!("{} reaches {what}", self.mnemonic), site.as_ref()?)))
    }
}

fn place(offset: i64) -> String {
    if offset < 0 { format!("-{:#x}", offset.unsigned_abs()) } else { format!("+{offset:#x}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(mnemonic: &str, class: &str, address: Option<i64>) -> Entry {
        Entry {
            mnemonic: mnemonic.into(),
            class: class.into(),
            count: 1000,
            reason: "why".into(),
            by_policy: false,
            address: address
                .map(|offset| Site { offset, instruction: "global_load_dword v1, v2, s[0:1]".into() }),
            branch: None,
            output: class == "assumed",
        }
    }

    #[test]
    fn launches_add_up_and_the_lowest_place_stays() {
        let mut sum = Ledger(vec![entry("v_exp_f32", "assumed", Some(64))]);
        sum.merge(Ledger(vec![entry("s_nop", "exact", None), entry("v_exp_f32", "assumed", Some(16))]));
        sum.merge(Ledger(vec![entry("v_exp_f32", "assumed", None)]));
        assert_eq!(
            sum.0.iter().map(|e| (&*e.mnemonic, e.count)).collect::<Vec<_>>(),
            [("s_nop", 1000), ("v_exp_f32", 3000)]
        );
        let text = sum.text("k");
        assert_eq!(
            text,
            "\nledger of k: 1 mnemonic(s) exact (1 000 executed), 1 assumed (3 000 executed), 0 unsupported\n\
             mnemonic   class    count  reach            reason\n\
             v_exp_f32  assumed  3 000  address, output  why\n  \
             v_exp_f32 reaches an address at +0x10: global_load_dword v1, v2, s[0:1]\n"
        );
    }
}
