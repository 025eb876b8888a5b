//! CPU references of every operator: f64 truth and device-order variants.
