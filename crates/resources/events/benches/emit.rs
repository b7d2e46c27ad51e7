//! What an event costs: `cargo bench -p postern-events 2>/dev/null` prints nanoseconds per event,
//! with the log at level info on standard error.
#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use postern_events::log::{self, Format, Level};
use postern_events::{Event, Events, MessageEvent, RefusedWhy, Route, Service};
use postern_types::{ForwardPath, ReversePath, Timestamp, TraceIds};

fn nanoseconds(times: u32, mut act: impl FnMut()) -> u128 {
    (0..3)
        .map(|_| {
            let start = Instant::now();
            (0..times).for_each(|_| act());
            start.elapsed().as_nanos() / u128::from(times)
        })
        .min()
        .unwrap_or(0)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let _guard = log::init(Format::Text, Level::Info)?;
    let events = Events::new();
    let client = "192.0.2.7".parse()?;
    let ids = TraceIds::new(1);
    let sender = ReversePath::parse("ann@example.test")?;
    let recipients = vec![ForwardPath::Address("bob@example.test".parse()?)];
    let message = MessageEvent {
        trace: ids.next(Timestamp::now()),
        client,
        helo: "mail.example.test",
        sender: &sender,
        recipients: &recipients,
        size: 10_240,
        duration: Duration::from_micros(1234),
    };
    let accepted = nanoseconds(5_000, || {
        events.emit(black_box(&Event::MessageAccepted { message, route: Route::Mailbox }));
    });
    let refused = nanoseconds(1_000_000, || {
        let why = RefusedWhy::BlockList;
        events.emit(black_box(&Event::ConnectionRefused { service: Service::Smtp, client, why }));
    });
    let opened = nanoseconds(1_000_000, || {
        events.emit(black_box(&Event::ConnectionOpened { service: Service::Smtp, client }));
    });
    let scrape = nanoseconds(1_000, || _ = black_box(events.open_metrics()));
    println!("message accepted    {accepted:>8} ns");
    println!("connection refused  {refused:>8} ns");
    println!("connection opened   {opened:>8} ns");
    println!("/metrics            {scrape:>8} ns");
    println!("lines dropped       {:>8}", log::dropped());
    Ok(())
}
