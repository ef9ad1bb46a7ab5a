//! What is on the page.

use crate::report::testing::{answered, compared, nothing};
use std::time::Duration;

#[test]
fn the_page_needs_nothing_from_elsewhere_and_runs_nothing() {
    let page = super::page(&compared());
    for foreign in ["<script", "src=", "@import", "url(", "href="] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    assert_eq!(page.matches("<svg").count(), 8);
}

#[test]
fn what_clients_said_is_text_on_the_page() {
    let page = super::page(&compared());
    assert!(page.contains("/a&lt;b&gt;") && !page.contains("/a<b>"));
}

#[test]
fn a_ratio_that_says_nothing_stands_back() {
    let page = super::page(&answered([Duration::from_micros(800), Duration::ZERO], &[]));
    assert!(page.contains("no telling") && page.contains("Grey ratios") && !page.contains("0.00×"));
    let page = super::page(&compared());
    assert!(page.contains("4.00×") && !page.contains("no telling") && !page.contains("Grey ratios"));
}

#[test]
fn without_requests_there_is_a_page_all_the_same() {
    let page = super::page(&nothing());
    assert!(page.contains("No request could be compared.") && !page.contains("<svg"));
}

#[test]
fn colours_of_plots_are_those_of_the_page() {
    let page = super::page(&compared());
    assert!(page.contains("var(--online)") && page.contains("var(--target)"));
    assert!(!page.contains("\"#01") && !page.contains("\"#04"));
}

#[test]
fn on_a_narrow_page_each_value_of_a_route_has_its_label() {
    let summary = compared();
    let page = super::page(&summary);
    assert!(page.contains("content: attr(data-label)"));
    let labels = [
        "requests",
        "statuses differ",
        "missing",
        "p50 online",
        "p50 target",
        "p99 online",
        "p99 target",
        "p99 ratio",
    ];
    for label in labels {
        assert_eq!(page.matches(&format!("data-label=\"{label}\"")).count(), summary.routes.len(), "{label}");
    }
}
