//! The configuration: each setting with its documentation, default and bounds.
