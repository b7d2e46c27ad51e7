//! What holds for any names.

use std::net::IpAddr;

use postern_dialup::{Looked, Neighbour, Observation, Smtp, SmtpBeside, Weights, read_samples, score};
use proptest::prelude::*;

/// Names as strangers may give them: any text, and texts that look like names.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-z0-9-]{0,12}(\\.[a-z0-9-]{0,12}){0,5}",
        "(dsl|static|mail|pool|cpe|ec2|x)?-?203-0-113-[0-9]{1,3}(\\.[a-z]{1,8}){0,3}",
    ]
}

fn observation() -> impl Strategy<Value = Observation> {
    let address = || prop_oneof![any::<IpAddr>(), any::<u8>().prop_map(|d| IpAddr::from([203, 0, 113, d]))];
    let neighbour = (address(), prop::collection::vec(name(), 0..3));
    let neighbour = neighbour.prop_map(|(address, names)| Neighbour { address, names });
    let names = prop::collection::vec(name(), 0..4);
    let smtp = prop::sample::select(vec![Smtp::Unknown, Smtp::Answers, Smtp::Silent]);
    let beside = (0..5u8, 0..5u8).prop_map(|(answering, silent)| SmtpBeside { answering, silent });
    let neighbours = prop::collection::vec(neighbour, 0..6);
    (address(), names, neighbours, any::<bool>(), any::<bool>(), smtp, beside).prop_map(
        |(address, names, neighbours, sender_points_here, spf_pass, smtp, smtp_beside)| Observation {
            address,
            names,
            neighbours,
            sender_points_here,
            spf_pass,
            smtp,
            smtp_beside,
        },
    )
}

const SERVER_WORDS: &[&str] = &["mail", "mx", "smtp", "relay", "poczta", "correo", "posta", "outbound"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_names_have_a_score_and_always_the_same(observation in observation()) {
        let weights = Weights::default();
        let first = score(&observation, &weights);
        prop_assert!(first.likelihood.percent() <= 100);
        prop_assert_eq!(&first, &score(&observation, &weights));
        let _ = Looked::at(&observation).neighbours_matter(&weights);
    }

    #[test]
    fn a_word_for_servers_never_raises_the_score(
        mut observation in observation(),
        word in prop::sample::select(SERVER_WORDS),
        by in prop::sample::select(&["-", "."][..]),
    ) {
        let weights = Weights::default();
        for name in &mut observation.names {
            *name = format!("{}.isp.example", name.chars().take(40).collect::<String>());
        }
        let before = score(&observation, &weights);
        for name in &mut observation.names {
            *name = format!("{word}{by}{name}");
        }
        let after = score(&observation, &weights);
        prop_assert!(after.likelihood <= before.likelihood, "{before:?} {after:?}");
    }

    #[test]
    fn exemptions_never_raise_the_score(observation in observation()) {
        let weights = Weights::default();
        let plain = Observation { sender_points_here: false, spf_pass: false, ..observation.clone() };
        let spf = Observation { spf_pass: true, ..plain.clone() };
        let mx = Observation { sender_points_here: true, ..plain.clone() };
        let plain = score(&plain, &weights).likelihood;
        prop_assert!(score(&spf, &weights).likelihood <= plain);
        prop_assert!(!score(&mx, &weights).is_dialup());
    }

    #[test]
    fn an_smtp_port_never_raises_the_score_and_none_never_lowers_it(observation in observation()) {
        let weights = Weights::default();
        let with = |smtp| score(&Observation { smtp, ..observation.clone() }, &weights).likelihood;
        prop_assert!(with(Smtp::Answers) <= with(Smtp::Unknown));
        prop_assert!(with(Smtp::Silent) >= with(Smtp::Unknown));
        let unasked = Observation { smtp: Smtp::Unknown, ..observation };
        if !Looked::at(&unasked).smtp_matters(&weights) {
            let is = |smtp| score(&Observation { smtp, ..unasked.clone() }, &weights).is_dialup();
            prop_assert_eq!(is(Smtp::Answers), is(Smtp::Silent));
        }
    }

    #[test]
    fn a_further_name_never_raises_the_score(observation in observation(), name in name()) {
        let weights = Weights::default();
        let before = score(&observation, &weights);
        prop_assume!(!before.name.is_empty());
        let mut more = observation;
        more.names.push(name);
        prop_assert!(score(&more, &weights).likelihood <= before.likelihood);
    }

    #[test]
    fn where_neighbours_do_not_matter_they_change_nothing(observation in observation()) {
        let weights = Weights::default();
        let alone = Observation { neighbours: Vec::new(), ..observation.clone() };
        if observation.names.len() == 1 && !Looked::at(&alone).neighbours_matter(&weights) {
            prop_assert_eq!(score(&observation, &weights).is_dialup(), score(&alone, &weights).is_dialup());
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        let _ = read_samples(&text);
    }
}
