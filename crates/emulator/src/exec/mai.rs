mod policy;

pub use policy::MfmaPolicy;

use cdna4::Inst;

use crate::op::Op;

/// Claims no instruction yet.
pub(super) fn decode(_inst: &Inst, _op: &mut Op) -> bool {
    false
}
