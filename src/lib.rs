//! stub
pub mod output;
pub mod plot;
pub mod trajectory;
