use super::{form::Form, levels, narrow};
use crate::{
    op::Op,
    simd::{Exec, Level, Step},
    wave::{Cx, Wave},
};

pub(super) fn handler(form: Form, level: Level) -> Exec {
    if form.size == 16 { levels!(level, narrow::<4>) } else { levels!(level, narrow::<16>) }
}
