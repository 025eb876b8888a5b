//! The options of the clock.

use serde_json::{Value, json};
use timing::sample::Caches;

use super::{Mode, SETTINGS};
use crate::runtime::lock;

const MODES: [(&str, Mode); 4] =
    [("auto", Mode::Auto), ("issue", Mode::Issue), ("model", Mode::Model), ("sampled", Mode::Sampled)];

const CACHES: [Caches; 3] = [Caches::Cold, Caches::WarmInfinityCache, Caches::Hot];

/// Changes one of `clock`, `caches`, `explain`, `timeline`; whether the value is one of the option's.
pub(crate) fn set(key: &str, value: &str) -> bool {
    let mut settings = lock(&SETTINGS);
    match key {
        "clock" => {
            let mode = MODES.iter().find(|(name, _)| *name == value);
            mode.map(|(_, mode)| settings.mode = *mode).is_some()
        }
        "caches" => {
            let caches = CACHES.into_iter().find(|caches| caches.name() == value);
            caches.map(|caches| settings.caches = caches).is_some()
        }
        "explain" => {
            let on = ["0", "1"].iter().position(|name| *name == value);
            on.map(|on| settings.explain = on == 1).is_some()
        }
        "timeline" => {
            settings.timeline = (!matches!(value, "" | "0")).then(|| value.into());
            !value.is_empty()
        }
        _ => false,
    }
}

/// The options as text, for the report.
pub(crate) fn described() -> Value {
    let settings = lock(&SETTINGS);
    let mode = MODES.iter().find(|(_, mode)| *mode == settings.mode).map(|(name, _)| *name);
    json!({
        "clock": mode,
        "caches": settings.caches.name(),
        "explain": settings.explain,
        "timeline": settings.timeline.as_ref().map(|file| file.display().to_string()),
    })
}
