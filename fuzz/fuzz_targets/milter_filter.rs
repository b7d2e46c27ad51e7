//! An MTA's octets against the filter's side of the milter protocol. The first octet chooses what the driver
//! answers, the second the cuts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postern_milter::{
    Actions, Answer, Change, Event, LARGEST_PACKET, Packets, Reply, Session, Steps, Wanted,
};

/// Each one of them, so that no seed is refused for what it offers.
const ACTIONS: Actions = Actions::from_bits(0x1ff);
const STEPS: Steps = Steps::from_bits(0x1f_ffff);

fn answer(choice: u8) -> Answer {
    match choice & 7 {
        0 => Answer::Accept,
        1 => Answer::Reject,
        2 => Answer::Refuse(postern_types::Reply::new(550, Some((5, 7, 1)), "100 % no").line("never")),
        3 => Answer::Discard,
        4 => Answer::Skip,
        _ => Answer::Continue,
    }
}

fn run(choice: u8, pieces: &[&[u8]]) -> (Vec<Event>, Vec<u8>) {
    let wanted = Wanted { actions: Actions::ADD_HEADERS, steps: STEPS, packet: LARGEST_PACKET };
    let mut session = Session::new(wanted);
    let (mut events, mut output) = (Vec::new(), Vec::new());
    'all: for piece in pieces {
        session.receive(piece);
        loop {
            let event = session.next();
            output.append(session.output());
            match event {
                Event::NeedInput => break,
                Event::Close(_) => {
                    events.push(event);
                    break 'all;
                }
                Event::EndOfMessage(body) => {
                    let value = body[..body.len().min(1000)].to_vec();
                    session.change(Change::AddHeader { name: "X".into(), value }).unwrap();
                    events.push(Event::EndOfMessage(body));
                }
                event => events.push(event),
            }
            let turn = u8::try_from(events.len() % 8).unwrap_or_default();
            session.answer(answer(choice.rotate_left(u32::from(turn))));
            output.append(session.output());
        }
    }
    (events, output)
}

fuzz_target!(|data: &[u8]| {
    let [choice, cut, wire @ ..] = data else { return };
    let whole = run(*choice, &[wire]);
    // Everything that we say is a packet that an MTA reads.
    let mut packets = Packets::default();
    packets.push(&whole.1);
    while let Some(reply) = Reply::next(&mut packets).unwrap() {
        if let Reply::Negotiate { actions, .. } = reply {
            assert!(ACTIONS.contains(actions));
        }
    }
    assert_eq!(packets.waiting(), 0);
    let pieces: Vec<&[u8]> = wire.chunks(usize::from(*cut) + 1).collect();
    assert_eq!(run(*choice, if pieces.is_empty() { &[b""] } else { &pieces }), whole);
});
