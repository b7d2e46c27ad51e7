//! Lines to commands and back, as tables and as properties.

use postern_types::{Address, ForwardPath, ReversePath, Secret};
use proptest::prelude::*;

use super::*;

fn parse(line: &str) -> Result<Command, CommandError> {
    Command::parse(line.as_bytes(), PathSyntax::Strict)
}

#[test]
fn lines_survive_the_round_trip() {
    for line in [
        "EHLO mail.example.test",
        "HELO [192.0.2.1]",
        "LHLO localhost",
        "MAIL FROM:<>",
        "MAIL FROM:<ann@example.test> SIZE=10240 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb AUTH=<> REQUIRETLS",
        "MAIL FROM:<\"a b>c\"@example.test> BODY=BINARYMIME RET=FULL AUTH=ann+3Dx@example.test",
        "RCPT TO:<postmaster>",
        "RCPT TO:<bob@[IPv6:2001:db8::1]> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob+2Bx@example.test",
        "RCPT TO:<bücher@example.test> NOTIFY=NEVER",
        "DATA",
        "BDAT 1000",
        "BDAT 0 LAST",
        "RSET",
        "VRFY ann",
        "EXPN staff",
        "HELP",
        "NOOP",
        "QUIT",
        "STARTTLS",
        "AUTH PLAIN",
        "AUTH PLAIN =",
        "AUTH SCRAM-SHA-256 AGFubgBzZWNyZXQ=",
        "XCLIENT NAME=mx.example.test ADDR=IPV6:2001:db8::1 HELO=[UNAVAILABLE]",
        "XFORWARD NAME=a+20b ADDR=192.0.2.1 IDENT=4f8g SOURCE=REMOTE",
    ] {
        assert_eq!(parse(line).unwrap().to_string(), line);
    }
}

#[test]
fn harmless_variations_are_read() {
    for (line, plain) in [
        ("mail from: <ann@example.test>  size=5 ", "MAIL FROM:<ann@example.test> SIZE=5"),
        ("Mail From:<ann@EXAMPLE.test>\tbody=8bitmime", "MAIL FROM:<ann@example.test> BODY=8BITMIME"),
        ("RCPT TO:<PostMaster>", "RCPT TO:<postmaster>"),
        ("RCPT TO:<@a.test,@[192.0.2.1]:bob@example.test>", "RCPT TO:<bob@example.test>"),
        ("rcpt to: <bob@example.test> notify=failure,failure", "RCPT TO:<bob@example.test> NOTIFY=FAILURE"),
        ("EHLO   m\u{fc}ller ", "EHLO m??ller"),
        ("noop anything at all", "NOOP"),
        ("vrfy ann\tb", "VRFY ann b"),
        ("bdat 5 last", "BDAT 5 LAST"),
        ("auth plain", "AUTH PLAIN"),
        ("quit  ", "QUIT"),
    ] {
        assert_eq!(parse(line).unwrap().to_string(), plain, "{line}");
    }
}

#[test]
fn a_path_without_brackets_is_a_matter_of_settings() {
    let line = b"MAIL FROM:ann@example.test SIZE=7";
    assert!(matches!(Command::parse(line, PathSyntax::Strict), Err(CommandError::Brackets(_))));
    let command = Command::parse(line, PathSyntax::BracketsOptional).unwrap();
    assert_eq!(command.to_string(), "MAIL FROM:<ann@example.test> SIZE=7");
    let empty = Command::parse(b"MAIL FROM:", PathSyntax::BracketsOptional);
    assert!(matches!(empty, Err(CommandError::Brackets(_))));
}

#[test]
fn what_is_wrong_is_named() {
    use CommandError as E;
    let same = std::mem::discriminant::<CommandError>;
    for (line, error) in [
        ("", E::Unknown),
        ("FROB x", E::Unknown),
        ("EHLOOOOOOOO x", E::Unknown),
        ("GET / HTTP/1.1", E::OtherProtocol),
        ("connect 192.0.2.1:25", E::OtherProtocol),
        ("\x16\x03\x01", E::OtherProtocol),
        ("NOOP a\0b", E::ControlCharacter),
        ("VRFY a\u{85}b", E::ControlCharacter),
        ("MAIL FROM:<a\rb@example.test>", E::ControlCharacter),
        ("EHLO", E::Syntax("")),
        ("DATA now", E::Syntax("")),
        ("MAIL <a@b>", E::Syntax("")),
        ("MAIL FROM:<a@b>x", E::Syntax("")),
        ("MAIL FROM:<a@b", E::Brackets("")),
        ("MAIL FROM:<\"a>@b>", E::Brackets("")),
        ("MAIL FROM:<ann>", E::Sender(AddressError::NoAt)),
        ("MAIL FROM:<@a.test>", E::Route),
        ("RCPT TO:<@a b:bob@example.test>", E::Route),
        ("RCPT TO:<>", E::Recipient(AddressError::NoAt)),
        ("RCPT TO:<bob@>", E::Recipient(AddressError::NoAt)),
        ("MAIL FROM:<a@b> NOTIFY=NEVER", E::UnknownParameter(String::new())),
        ("MAIL FROM:<a@b> SIZE=-1", E::BadParameter("")),
        ("MAIL FROM:<a@b> SIZE=", E::BadParameter("")),
        ("MAIL FROM:<a@b> SMTPUTF8=yes", E::BadParameter("")),
        ("MAIL FROM:<a@b> BODY=9BIT", E::BadParameter("")),
        ("MAIL FROM:<a@b> ENVID=+0D+0A", E::BadParameter("")),
        ("MAIL FROM:<a@b> SIZE=1 SIZE=1", E::RepeatedParameter("")),
        ("RCPT TO:<a@b> NOTIFY=NEVER,SUCCESS", E::BadParameter("")),
        ("RCPT TO:<a@b> ORCPT=bob@example.test", E::BadParameter("")),
        ("RCPT TO:<a@b> SIZE=5", E::UnknownParameter(String::new())),
        ("BDAT", E::ChunkSize),
        ("BDAT +5", E::ChunkSize),
        ("BDAT 99999999999999999999", E::ChunkSize),
        ("BDAT 5 FIRST", E::ChunkSize),
        ("AUTH", E::Syntax("")),
        ("AUTH PLAIN AA== b", E::Syntax("")),
        ("AUTH PLAIN !", E::Base64),
        ("XCLIENT", E::Syntax("")),
        ("XCLIENT FOO=bar", E::UnknownParameter(String::new())),
        ("XCLIENT NAME=a NAME=b", E::RepeatedParameter("")),
        ("XFORWARD NAME=a+0Ab", E::BadParameter("")),
    ] {
        let found = parse(line).unwrap_err();
        assert_eq!(same(&found), same(&error), "{line:?}: {found:?}");
    }
    assert_eq!(Command::parse(b"NOOP \xff", PathSyntax::Strict), Err(E::NotUtf8));
}

#[test]
fn addresses_of_neighbours_are_read() {
    let Ok(Command::Xclient(told)) = parse("XCLIENT ADDR=ipv6:2001:db8::1 LOGIN=") else { panic!() };
    assert_eq!(told.client_ip(), Some("2001:db8::1".parse().unwrap()));
    assert!(told.names(XclientName::Login) && told.value(XclientName::Login).is_none());
    let Ok(Command::Xforward(told)) = parse("XFORWARD ADDR=192.0.2.1") else { panic!() };
    assert_eq!(told.client_ip(), Some("192.0.2.1".parse().unwrap()));
}

fn local_part() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zA-Z0-9+_=-]{1,20}(\\.[a-z]{1,5}){0,2}", "[ -~é中]{1,20}"]
}

fn address() -> impl Strategy<Value = Address> {
    let host = prop_oneof!["[a-z0-9]{1,10}(\\.[a-z]{2,5}){1,2}", Just("[192.0.2.7]".to_owned())];
    (local_part(), host).prop_map(|(local, host)| {
        let local = postern_types::LocalPart::from_unquoted(&local).unwrap();
        Address::new(local, postern_types::Host::parse(&host).unwrap())
    })
}

fn mail() -> impl Strategy<Value = Command> {
    let path = prop_oneof![Just(ReversePath::Null), address().prop_map(ReversePath::Address)];
    let body =
        prop_oneof![Just(BodyType::SevenBit), Just(BodyType::EightBitMime), Just(BodyType::BinaryMime)];
    let ret = prop_oneof![Just(Return::Full), Just(Return::Headers)];
    let params = (
        any::<Option<u64>>(),
        proptest::option::of(body),
        any::<bool>(),
        proptest::option::of(ret),
        proptest::option::of("[ -~]{1,100}"),
        proptest::option::of("[ -~é]{1,60}"),
        any::<bool>(),
    );
    (path, params).prop_map(|(path, (size, body, smtp_utf8, ret, envid, auth, require_tls))| {
        Command::Mail(Mail {
            path,
            params: MailParams { size, body, smtp_utf8, ret, envid, auth, require_tls },
        })
    })
}

fn rcpt() -> impl Strategy<Value = Command> {
    let path = prop_oneof![Just(ForwardPath::Postmaster), address().prop_map(ForwardPath::Address)];
    let notify =
        any::<(bool, bool, bool)>().prop_map(|(s, f, d)| Notify { success: s, failure: f, delay: d });
    let orcpt = "[ -~]{1,60}".prop_map(|text| {
        OriginalRecipient::parse(&format!("rfc822;{}", crate::xtext::encode(&text))).unwrap()
    });
    (path, proptest::option::of(notify), proptest::option::of(orcpt))
        .prop_map(|(path, notify, orcpt)| Command::Rcpt(Rcpt { path, params: RcptParams { notify, orcpt } }))
}

fn other() -> impl Strategy<Value = Command> {
    let initial = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40).prop_map(Secret::new));
    prop_oneof![
        (any::<u64>(), any::<bool>()).prop_map(|(octets, last)| Command::Bdat(Bdat { octets, last })),
        ("[A-Z0-9_-]{1,20}", initial)
            .prop_map(|(mechanism, initial)| Command::Auth(Auth { mechanism, initial })),
        ("[!-~]([ -~]{0,60}[!-~])?").prop_map(|name| Command::Hello(Hello { verb: HelloVerb::Ehlo, name })),
        ("[a-zA-Z+= é]{1,40}", proptest::option::of("[0-9.]{1,20}")).prop_map(|(name, addr)| {
            let told = Xclient::new().with(XclientName::Name, Some(&name));
            Command::Xclient(told.with(XclientName::Addr, addr.as_deref()))
        }),
    ]
}

proptest! {
    #[test]
    fn any_command_survives_the_round_trip(command in prop_oneof![mail(), rcpt(), other()]) {
        let line = command.to_string();
        prop_assert!(!line.contains(['\r', '\n']));
        prop_assert_eq!(Command::parse(line.as_bytes(), PathSyntax::Strict), Ok(command));
    }

    #[test]
    fn any_octets_are_a_command_or_an_error(line in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(command) = Command::parse(&line, PathSyntax::BracketsOptional) {
            let written = command.to_string();
            prop_assert_eq!(Command::parse(written.as_bytes(), PathSyntax::Strict), Ok(command));
        }
    }
}
