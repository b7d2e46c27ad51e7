//! Conversations with an MTA, and what must hold for all of them.

use postern_types::{Address, ReversePath};
use proptest::prelude::*;

use super::*;

/// An MTA that writes commands and reads replies.
struct Mta {
    session: Session,
    replies: Packets,
}

const ALL_ACTIONS: Actions = Actions::from_bits(0x1ff);
const ALL_STEPS: Steps = Steps::from_bits(0x1f_ffff);

fn wanted() -> Wanted {
    let actions = Actions::ADD_HEADERS | Actions::CHANGE_HEADERS | Actions::DELETE_RECIPIENTS;
    Wanted {
        actions,
        steps: Steps::SKIP | Steps::NO_REPLY_HEADER | Steps::LEADING_SPACE,
        ..Wanted::default()
    }
}

impl Mta {
    fn new(wanted: Wanted) -> Self {
        Self { session: Session::new(wanted), replies: Packets::default() }
    }

    /// One that has negotiated version 6, told of a client and given its name.
    fn connected(wanted: Wanted) -> Self {
        let mut mta = Self::new(wanted);
        mta.say(&Command::Negotiate { version: 6, actions: ALL_ACTIONS, steps: ALL_STEPS });
        assert_eq!(mta.session.next(), Event::NeedInput);
        assert!(matches!(mta.heard()[..], [Reply::Negotiate { version: 6, .. }]));
        mta.asks(&client());
        mta.answers(Answer::Continue, &[Reply::Continue]);
        mta.asks(&Command::Hello(b"client.example.org".to_vec()));
        mta.answers(Answer::Continue, &[Reply::Continue]);
        mta
    }

    fn in_message(wanted: Wanted) -> Self {
        let mut mta = Self::connected(wanted);
        for command in [
            Command::Mail(vec![b"<carl@example.org>".to_vec(), b"SIZE=100".to_vec()]),
            Command::Rcpt(vec![b"<ann@example.test>".to_vec()]),
        ] {
            mta.asks(&command);
            mta.answers(Answer::Continue, &[Reply::Continue]);
        }
        mta
    }

    fn say(&mut self, command: &Command) {
        let mut bytes = Vec::new();
        command.encode(&mut bytes);
        self.session.receive(&bytes);
    }

    fn asks(&mut self, command: &Command) -> Event {
        self.say(command);
        self.session.next()
    }

    fn heard(&mut self) -> Vec<Reply> {
        self.replies.push(&std::mem::take(self.session.output()));
        std::iter::from_fn(|| Reply::next(&mut self.replies).unwrap()).collect()
    }

    fn answers(&mut self, answer: Answer, heard: &[Reply]) {
        self.session.answer(answer);
        assert_eq!(self.heard(), heard);
    }
}

fn client() -> Command {
    Command::Connect(Connect {
        name: b"client.example.org".to_vec(),
        peer: Peer::Internet("192.0.2.7:4711".parse().unwrap()),
    })
}

fn code(text: &str) -> Reply {
    Reply::Code(text.as_bytes().to_vec())
}

#[test]
fn a_message_from_the_connection_to_its_end() {
    let mut mta = Mta::in_message(wanted());
    let header = Command::Header { name: b"Subject".to_vec(), value: b" Hello\n there".to_vec() };
    assert_eq!(
        mta.asks(&header),
        Event::Header { name: b"Subject".to_vec(), value: b" Hello\r\n there".to_vec() }
    );
    // Agreed: header fields are not answered, whatever the driver says.
    mta.answers(Answer::Continue, &[]);
    assert_eq!(mta.asks(&Command::EndOfHeader), Event::EndOfHeader);
    mta.answers(Answer::Continue, &[Reply::Continue]);
    assert_eq!(mta.asks(&Command::Body(b"Dear Ann\r\n".to_vec())), Event::Body(b"Dear Ann\r\n".to_vec()));
    mta.answers(Answer::Skip, &[Reply::Skip]);
    assert_eq!(mta.asks(&Command::EndOfMessage(vec![])), Event::EndOfMessage(vec![]));
    mta.session.progress();
    mta.session.change(Change::DeleteRecipient(b"<ann@example.test>".to_vec())).unwrap();
    mta.session.change(Change::AddHeader { name: "X-Mark".into(), value: b"one\r\ntwo".to_vec() }).unwrap();
    mta.session.change(Change::ChangeHeader { index: 2, name: "X-Mark".into(), value: Vec::new() }).unwrap();
    mta.answers(
        Answer::Accept,
        &[
            Reply::Progress,
            Reply::DeleteRecipient(b"<ann@example.test>".to_vec()),
            Reply::AddHeader { name: b"X-Mark".to_vec(), value: b" one\n\ttwo".to_vec() },
            Reply::ChangeHeader { index: 2, name: b"X-Mark".to_vec(), value: Vec::new() },
            Reply::Accept,
        ],
    );
    assert!(matches!(mta.asks(&Command::Mail(vec![b"<>".to_vec()])), Event::Mail(_)));
    mta.answers(Answer::Continue, &[Reply::Continue]);
    assert_eq!(mta.asks(&Command::Quit), Event::Close(Closing::Quit));
}

#[test]
fn a_refusal_has_its_words_and_the_recipient_alone_is_gone() {
    let mut mta = Mta::connected(wanted());
    mta.asks(&Command::Mail(vec![b"<carl@example.org>".to_vec()]));
    mta.answers(Answer::Continue, &[Reply::Continue]);
    mta.asks(&Command::Rcpt(vec![b"<ann@example.test>".to_vec()]));
    let reply = postern_types::Reply::new(550, Some((5, 7, 1)), "100% no").line("see above");
    mta.session.answer(Answer::Refuse(reply));
    let raw = mta.session.output().clone();
    assert!(raw.ends_with(b"y550-5.7.1 100%% no\r\n550 5.7.1 see above\0"), "{}", raw.escape_ascii());
    assert_eq!(mta.heard(), [code("550-5.7.1 100% no\r\n550 5.7.1 see above")]);
    assert!(matches!(mta.asks(&Command::Rcpt(vec![b"<bob@example.test>".to_vec()])), Event::Rcpt(_)));
}

#[test]
fn replies_that_an_mta_would_not_take_are_mended() {
    use postern_types::Reply as Words;
    for (reply, heard) in [
        (Words::new(554, None, "no"), code("554 5.0.0 no")),
        (Words::new(450, Some((5, 7, 1)), "later"), code("450 4.0.0 later")),
        (Words::new(250, Some((2, 0, 0)), "fine"), Reply::TempFail),
        (Words::new(550, Some((5, 7, 1)), "x".repeat(2000)), code(&format!("550 5.7.1 {}", "x".repeat(970)))),
    ] {
        let mut mta = Mta::connected(wanted());
        mta.asks(&Command::Mail(vec![b"<>".to_vec()]));
        mta.answers(Answer::Refuse(reply), &[heard]);
    }
}

#[test]
fn the_versions_two_to_six_are_spoken_and_newer_ones_brought_down() {
    for (theirs, agreed) in [(2, 2), (3, 3), (6, 6), (7, 6)] {
        let mut mta = Mta::new(wanted());
        mta.say(&Command::Negotiate { version: theirs, actions: ALL_ACTIONS, steps: Steps::from_bits(0x7f) });
        assert_eq!(mta.session.next(), Event::NeedInput);
        let expected = Reply::Negotiate { version: agreed, actions: wanted().actions, steps: Steps::NONE };
        assert_eq!(mta.heard(), [expected]);
    }
    let mut mta = Mta::new(wanted());
    let old = Command::Negotiate { version: 1, actions: ALL_ACTIONS, steps: Steps::NONE };
    assert_eq!(mta.asks(&old), Event::Close(Closing::Version(1)));
    let mut mta = Mta::new(wanted());
    let poor = Command::Negotiate { version: 6, actions: Actions::ADD_HEADERS, steps: ALL_STEPS };
    let lacks = Actions::CHANGE_HEADERS | Actions::DELETE_RECIPIENTS;
    assert_eq!(mta.asks(&poor), Event::Close(Closing::Lacks(lacks)));
}

#[test]
fn an_old_mta_strips_the_space_and_wants_every_answer() {
    let mut mta = Mta::new(wanted());
    mta.say(&Command::Negotiate { version: 2, actions: ALL_ACTIONS, steps: Steps::NONE });
    assert_eq!(mta.session.next(), Event::NeedInput);
    mta.heard();
    mta.asks(&client());
    mta.answers(Answer::Continue, &[Reply::Continue]);
    mta.asks(&Command::Mail(vec![b"<>".to_vec()]));
    mta.answers(Answer::Continue, &[Reply::Continue]);
    let header = Command::Header { name: b"To".to_vec(), value: b"ann".to_vec() };
    assert_eq!(mta.asks(&header), Event::Header { name: b"To".to_vec(), value: b" ann".to_vec() });
    mta.answers(Answer::Continue, &[Reply::Continue]);
    mta.asks(&Command::EndOfHeader);
    mta.answers(Answer::Continue, &[Reply::Continue]);
    mta.asks(&Command::Body(b"x".to_vec()));
    mta.answers(Answer::Skip, &[Reply::Continue]);
    mta.asks(&Command::EndOfMessage(vec![]));
    mta.session.change(Change::AddHeader { name: "A".into(), value: b"b".to_vec() }).unwrap();
    mta.answers(
        Answer::Continue,
        &[Reply::AddHeader { name: b"A".to_vec(), value: b"b".to_vec() }, Reply::Continue],
    );
}

#[test]
fn an_aborted_message_leaves_nothing_to_the_next() {
    let mut mta = Mta::in_message(wanted());
    mta.say(&Command::Macros { stage: Stage::Rcpt, values: vec![(b"i".to_vec(), b"4711".to_vec())] });
    assert_eq!(mta.session.next(), Event::NeedInput);
    assert_eq!(mta.session.macros().value("i"), Some(&b"4711"[..]));
    assert_eq!(mta.asks(&Command::Abort), Event::Abort);
    assert_eq!(mta.session.macros().value("i"), None);
    // Said again between messages, it says nothing.
    assert_eq!(mta.asks(&Command::Abort), Event::NeedInput);
    assert!(matches!(mta.asks(&Command::Mail(vec![b"<>".to_vec()])), Event::Mail(_)));
    mta.answers(Answer::Continue, &[Reply::Continue]);
    // MAIL again without abort, as after a refusal: a new transaction.
    assert!(matches!(mta.asks(&Command::Mail(vec![b"<>".to_vec()])), Event::Mail(_)));
}

#[test]
fn a_connection_serves_one_client_after_the_other() {
    let mut mta = Mta::in_message(wanted());
    assert_eq!(mta.asks(&Command::QuitNewConnection), Event::Gone);
    assert!(matches!(mta.asks(&client()), Event::Connect(_)));
    mta.answers(Answer::Reject, &[Reply::Reject]);
    assert_eq!(mta.asks(&Command::QuitNewConnection), Event::Gone);
    // Some negotiate anew, which is fine too.
    mta.say(&Command::Negotiate { version: 6, actions: ALL_ACTIONS, steps: ALL_STEPS });
    assert!(matches!(mta.asks(&client()), Event::Connect(_)));
}

#[test]
fn what_comes_out_of_turn_ends_the_session() {
    for commands in [
        vec![client()],
        vec![
            Command::Negotiate { version: 6, actions: ALL_ACTIONS, steps: ALL_STEPS },
            Command::Hello(vec![]),
        ],
    ] {
        let mut mta = Mta::new(wanted());
        commands.iter().for_each(|command| mta.say(command));
        assert!(matches!(mta.session.next(), Event::Close(Closing::OutOfTurn(_))));
    }
    for command in [
        Command::Rcpt(vec![b"<a@b>".to_vec()]),
        Command::Body(vec![]),
        Command::EndOfHeader,
        Command::EndOfMessage(vec![]),
        client(),
    ] {
        let mut mta = Mta::connected(wanted());
        assert!(matches!(mta.asks(&command), Event::Close(Closing::OutOfTurn(_))), "{command:?}");
    }
}

#[test]
fn changes_wait_for_the_end_and_for_leave() {
    let mut mta = Mta::in_message(wanted());
    let mark = || Change::AddHeader { name: "X".into(), value: b"y".to_vec() };
    assert_eq!(mta.session.change(mark()), Err(ChangeRefused::NotNow));
    mta.asks(&Command::EndOfMessage(vec![]));
    let body = Change::ReplaceBody(b"new".to_vec());
    assert_eq!(mta.session.change(body), Err(ChangeRefused::NotAllowed(Actions::CHANGE_BODY)));
    let name = Change::AddHeader { name: "X:\nY".into(), value: vec![] };
    assert_eq!(mta.session.change(name), Err(ChangeRefused::FieldName));
    assert_eq!(mta.heard(), []);
}

#[test]
fn every_change_has_its_packet() {
    let everything = Wanted { actions: ALL_ACTIONS, ..wanted() };
    let mut mta = Mta::in_message(everything);
    mta.asks(&Command::EndOfMessage(vec![]));
    for change in [
        Change::InsertHeader { index: 0, name: "A".into(), value: b" b".to_vec() },
        Change::ChangeSender(ReversePath::Null),
        Change::AddRecipient(Address::parse("bob@example.test").unwrap()),
        Change::ReplaceBody(vec![b'x'; 65_536]),
        Change::ReplaceBody(vec![]),
        Change::Quarantine("look\nat it".into()),
    ] {
        mta.session.change(change).unwrap();
    }
    assert_eq!(
        mta.heard(),
        [
            Reply::InsertHeader { index: 0, name: b"A".to_vec(), value: b" b".to_vec() },
            Reply::ChangeSender { path: b"<>".to_vec(), parameters: None },
            Reply::AddRecipient { path: b"<bob@example.test>".to_vec(), parameters: None },
            Reply::ReplaceBody(vec![b'x'; 65_535]),
            Reply::ReplaceBody(vec![b'x']),
            Reply::ReplaceBody(vec![]),
            Reply::Quarantine(b"look at it".to_vec()),
        ]
    );
}

#[test]
fn addresses_of_every_kind_are_read() {
    for (data, peer) in [
        (&b"h\x004\x12\x67192.0.2.7\0"[..], Peer::Internet("192.0.2.7:4711".parse().unwrap())),
        (b"h\x006\x00\x00IPv6:2001:db8::1\0", Peer::Internet("[2001:db8::1]:0".parse().unwrap())),
        (b"h\x006\x00\x002001:db8::1\0", Peer::Internet("[2001:db8::1]:0".parse().unwrap())),
        (b"h\x006\x00\x00fe80::1%eth0\0", Peer::Internet("[fe80::1]:0".parse().unwrap())),
        (b"h\x00L\x00\x00/run/x\0", Peer::Unix(b"/run/x".to_vec())),
        (b"localhost\0U", Peer::Unknown),
        (b"localhost\0U\0\0\0", Peer::Unknown),
    ] {
        let mut packets = Packets::default();
        packets.push(&raw(b'C', data));
        let Some(Command::Connect(connect)) = Command::next(&mut packets).unwrap() else {
            panic!("{data:?}")
        };
        assert_eq!(connect.peer, peer);
    }
}

#[test]
fn data_out_of_form_is_refused() {
    for (command, data) in [
        (b'C', &b"h\x004\x12\x67no address\0"[..]),
        (b'C', b"h\x00X"),
        (b'C', b"h\x004\x12\x67192.0.2.7"),
        (b'C', b"h"),
        (b'M', b""),
        (b'M', b"<a@b>"),
        (b'H', b"name"),
        (b'H', b"name\0more"),
        (b'L', b"name\0value"),
        (b'O', b"\0\0\0\x06"),
        (b'D', b""),
        (b'D', b"Mname\0"),
        (b'N', b"x"),
        (b'Z', b""),
    ] {
        let mut packets = Packets::default();
        packets.push(&raw(command, data));
        assert!(Command::next(&mut packets).is_err(), "{} {data:?}", char::from(command));
    }
    let mut packets = Packets::default();
    packets.push(&raw(b'R', &b"x\0".repeat(65)));
    assert!(Command::next(&mut packets).is_err(), "too many arguments");
}

fn raw(command: u8, data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len() + 1).unwrap();
    [&length.to_be_bytes()[..], &[command], data].concat()
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(1..=255_u8, 0..40)
}

fn octets() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..80)
}

fn peers() -> impl Strategy<Value = Peer> {
    prop_oneof![
        (any::<std::net::IpAddr>(), any::<u16>()).prop_map(|(ip, port)| Peer::Internet((ip, port).into())),
        text().prop_map(Peer::Unix),
        Just(Peer::Unknown),
    ]
}

fn commands() -> impl Strategy<Value = Command> {
    let stage = prop::sample::select(vec![Stage::Connect, Stage::Mail, Stage::EndOfMessage, Stage::Other]);
    prop_oneof![
        (any::<u32>(), any::<u32>(), any::<u32>()).prop_map(|(version, actions, steps)| Command::Negotiate {
            version,
            actions: Actions::from_bits(actions),
            steps: Steps::from_bits(steps),
        }),
        (stage, prop::collection::vec((text(), text()), 0..5))
            .prop_map(|(stage, values)| Command::Macros { stage, values }),
        (text(), peers()).prop_map(|(name, peer)| Command::Connect(Connect { name, peer })),
        text().prop_map(Command::Hello),
        prop::collection::vec(text(), 1..4).prop_map(Command::Mail),
        prop::collection::vec(text(), 1..4).prop_map(Command::Rcpt),
        Just(Command::Data),
        (text(), text()).prop_map(|(name, value)| Command::Header { name, value }),
        Just(Command::EndOfHeader),
        octets().prop_map(Command::Body),
        octets().prop_map(Command::EndOfMessage),
        text().prop_map(Command::Unknown),
        Just(Command::Abort),
        Just(Command::Quit),
        Just(Command::QuitNewConnection),
    ]
}

fn replies() -> impl Strategy<Value = Reply> {
    let optional = || prop::option::of(text());
    prop_oneof![
        prop::sample::select(vec![
            Reply::Continue,
            Reply::Accept,
            Reply::Reject,
            Reply::TempFail,
            Reply::Discard,
            Reply::Skip,
            Reply::Progress,
        ]),
        text().prop_map(Reply::Code),
        (text(), text()).prop_map(|(name, value)| Reply::AddHeader { name, value }),
        (any::<u32>(), text(), text()).prop_map(|(index, name, value)| Reply::InsertHeader {
            index,
            name,
            value
        }),
        (any::<u32>(), text(), text()).prop_map(|(index, name, value)| Reply::ChangeHeader {
            index,
            name,
            value
        }),
        (text(), optional()).prop_map(|(path, parameters)| Reply::ChangeSender { path, parameters }),
        (text(), optional()).prop_map(|(path, parameters)| Reply::AddRecipient { path, parameters }),
        text().prop_map(Reply::DeleteRecipient),
        octets().prop_map(Reply::ReplaceBody),
        text().prop_map(Reply::Quarantine),
    ]
}

/// Runs a stream of bytes through a session and notes everything that comes of it.
fn run<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Event>, Vec<u8>) {
    let mut session = Session::new(wanted());
    let (mut events, mut output) = (Vec::new(), Vec::new());
    for piece in pieces {
        session.receive(piece);
        loop {
            match session.next() {
                Event::NeedInput => break,
                event @ Event::Close(_) => {
                    events.push(event);
                    output.append(session.output());
                    return (events, output);
                }
                event => events.push(event),
            }
            if let Some(Event::EndOfMessage(_)) = events.last() {
                session.change(Change::DeleteRecipient(b"<a@b>".to_vec())).unwrap();
            }
            session.answer(Answer::Continue);
            output.append(session.output());
        }
        output.append(session.output());
    }
    (events, output)
}

proptest! {
    #[test]
    fn what_is_written_is_read(commands in prop::collection::vec(commands(), 1..8)) {
        let mut bytes = Vec::new();
        commands.iter().for_each(|command| command.encode(&mut bytes));
        let mut packets = Packets::default();
        packets.push(&bytes);
        let read: Vec<Command> = std::iter::from_fn(|| Command::next(&mut packets).unwrap()).collect();
        prop_assert_eq!(read, commands);
    }

    #[test]
    fn replies_too(replies in prop::collection::vec(replies(), 1..8)) {
        let mut bytes = Vec::new();
        replies.iter().for_each(|reply| reply.encode(&mut bytes));
        let mut packets = Packets::default();
        packets.push(&bytes);
        let read: Vec<Reply> = std::iter::from_fn(|| Reply::next(&mut packets).unwrap()).collect();
        prop_assert_eq!(read, replies);
    }

    #[test]
    fn how_the_bytes_are_cut_does_not_matter(
        commands in prop::collection::vec(commands(), 0..12),
        size in 1..40_usize,
        agreed in any::<bool>(),
    ) {
        let mut bytes = Vec::new();
        if agreed {
            Command::Negotiate { version: 6, actions: ALL_ACTIONS, steps: ALL_STEPS }.encode(&mut bytes);
            client().encode(&mut bytes);
        }
        commands.iter().for_each(|command| command.encode(&mut bytes));
        prop_assert_eq!(run(bytes.chunks(size)), run(std::iter::once(&bytes[..])));
    }

    #[test]
    fn no_bytes_bring_it_down(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        run(std::iter::once(&bytes[..]));
    }

    #[test]
    fn a_value_that_is_added_stays_one_field(value in octets(), space in any::<bool>()) {
        let steps = if space { Steps::LEADING_SPACE } else { Steps::NONE };
        let change = Change::AddHeader { name: "X".into(), value };
        let packets = change::packets(change, steps).unwrap();
        let [Reply::AddHeader { value, .. }] = &packets[..] else {
            return Err(TestCaseError::fail("one packet"));
        };
        prop_assert!(!value.contains(&b'\r') && !value.contains(&0));
        for (i, _) in value.iter().enumerate().filter(|(_, octet)| **octet == b'\n') {
            prop_assert!(matches!(value.get(i + 1), Some(b' ' | b'\t')));
        }
    }
}
