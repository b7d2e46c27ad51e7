//! A real browser before the pages: without script, on a phone, by keyboard, and before a hostile message.
//!
//! `POSTERN_PICTURES=FOLDER` keeps a picture of every page.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64ct::{Base64, Encoding};
use postern_message::{Bounds, Summary};
use postern_store::QuarantineId;
use postern_testnet::{Browser, Scheme, Screen};

use super::hostile;
use super::world::{ANN, World, world};

const TAB: &str = "\u{E004}";
const ENTER: &str = "\u{E007}";

/// Everything that can be seen of a page in one look.
async fn look(browser: &Browser, name: &str) {
    for (screen, scheme, suffix) in [
        (Screen::Desktop, Scheme::Light, "desktop"),
        (Screen::Phone, Scheme::Dark, "phone-dark"),
        (Screen::Phone, Scheme::Light, "phone"),
    ] {
        browser.resize(screen).await.unwrap();
        browser.colours(scheme).await.unwrap();
        let width = "return [document.documentElement.scrollWidth, window.innerWidth, \
             [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > window.innerWidth + 1)\
             .map(e => e.outerHTML.slice(0, 80))]";
        let found = browser.run(width).await.unwrap();
        assert!(found[0].as_u64() <= found[1].as_u64(), "{name} scrolls sideways at {screen:?}: {found}");
        let low = browser.run(CONTRAST).await.unwrap();
        assert_eq!(low, serde_json::json!([]), "{name} at {scheme:?}: too little contrast");
        if name == "digest" {
            // A mail, not a page of ours.
            picture(browser, name, suffix).await;
            continue;
        }
        let bare = browser.run(NAMELESS).await.unwrap();
        assert_eq!(bare, serde_json::json!([]), "{name}: without a name");
        picture(browser, name, suffix).await;
    }
    browser.resize(Screen::Desktop).await.unwrap();
    let complaints = browser.complaints().await.unwrap();
    // A page that says no is no fault of the browser's.
    let faults: Vec<_> =
        complaints.iter().filter(|said| !said.contains("the server responded with a status of 4")).collect();
    assert!(faults.is_empty(), "{name}: {faults:?}");
}

/// Keeps a picture, where somebody wants to look at it.
async fn picture(browser: &Browser, name: &str, suffix: &str) {
    if let Some(folder) = std::env::var_os("POSTERN_PICTURES") {
        let png = Base64::decode_vec(&browser.picture().await.unwrap()).unwrap();
        std::fs::write(std::path::Path::new(&folder).join(format!("{name}-{suffix}.png")), png).unwrap();
    }
}

/// Texts whose colours stand apart by less than 4.5 : 1 (WCAG 2.2, 1.4.3).
const CONTRAST: &str = "
    const parse = c => c.match(/[\\d.]+/g).map(Number);
    const probe = document.body.appendChild(document.createElement('i'));
    probe.style.backgroundColor = 'Canvas';
    const canvas = parse(getComputedStyle(probe).backgroundColor);
    probe.remove();
    const light = ([r, g, b]) => [r, g, b].map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const ground = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
        if (c.length < 4 || c[3] > 0) return c; } return canvas; };
    return [...document.querySelectorAll('body *')].filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())
        && e.getClientRects().length).filter(e => {
        const a = light(parse(getComputedStyle(e).color)), b = light(ground(e));
        return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5;
    }).map(e => e.outerHTML.slice(0, 80));";

/// What can be pressed or filled in and has no name; pages without language, title or one main heading.
const NAMELESS: &str = "
    const name = e => (e.labels && e.labels.length ? e.labels[0].textContent : e.textContent).trim();
    const bare = [...document.querySelectorAll('a, button, input:not([type=hidden]), summary')].filter(e => !name(e)).map(e => e.outerHTML);
    if (!document.documentElement.lang) bare.push('no lang');
    if (!document.title) bare.push('no title');
    if (document.querySelectorAll('h1').length !== 1) bare.push('not one h1');
    if (!document.querySelector('main')) bare.push('no main');
    return bare;";

/// What has the focus, and whether that can be seen.
async fn focused(browser: &Browser) -> String {
    let found = browser
        .run(
            "const e = document.activeElement, seen = [getComputedStyle(e), getComputedStyle(e, '::after')];
             return [e.textContent.trim(), seen.some(s => s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2)];",
        )
        .await
        .unwrap();
    assert_eq!(found[1], true, "the focus on {} cannot be seen", found[0]);
    found[0].as_str().unwrap().to_owned()
}

/// Goes on by the Tab key until what is wanted has the focus.
async fn tab_to(browser: &Browser, wanted: &str) {
    for _ in 0..40 {
        browser.keys(TAB).await.unwrap();
        if focused(browser).await == wanted {
            return;
        }
    }
    panic!("{wanted} is not reached by the keyboard");
}

/// Marks the page, so that it can be told from the next one.
async fn mark(browser: &Browser) {
    browser.run("window.before = true").await.unwrap();
}

/// Waits until the marked page has made way for another, and that is complete; gives its main heading.
async fn next_page(browser: &Browser) -> String {
    let heading = "return !window.before && document.readyState === 'complete' && document.querySelector('h1') \
         ? document.querySelector('h1').textContent : null";
    for _ in 0..1500 {
        // Between two pages there is nothing that could answer.
        if let Ok(found) = browser.run(heading).await
            && let Some(found) = found.as_str()
        {
            return found.to_owned();
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("no next page: still at {:?}", browser.url().await);
}

/// Presses Enter where the focus is.
async fn enter(browser: &Browser, leads_to: &str) {
    mark(browser).await;
    browser.keys(ENTER).await.unwrap();
    assert_eq!(next_page(browser).await, leads_to);
}

/// Clicks a button that leads to another page.
async fn press(browser: &Browser, button: &str, leads_to: &str) {
    mark(browser).await;
    browser.click(button).await.unwrap();
    assert_eq!(next_page(browser).await, leads_to);
}

async fn fill(world: &World) -> QuarantineId {
    for (from, subject, text) in [
        (
            "\"Harbour & Sons\" <offers@harbour.test>",
            "Your invoice for October is overdue, please pay within 24 hours",
            "Dear customer,\n\nplease find the invoice attached.",
        ),
        (
            "no-reply@parcels.test",
            "We could not deliver your parcel",
            "Open http://parcels.test/track to choose a new date.",
        ),
        ("Zoë Ångström <zoe@north.test>", "Re: Tuesday", "See you then?"),
        (
            "averyveryveryverylongaddresswithoutanyplacetobreakit@averyveryverylongsubdomain.averylongdomainname.test",
            "Pneumonoultramicroscopicsilicovolcanoconiosispneumonoultramicroscopicsilicovolcanoconiosis",
            "x",
        ),
    ] {
        let message = format!("From: {from}\nTo: {ANN}\nSubject: {subject}\n\n{text}\n");
        world.hold(ANN, "bounce@harbour.test", &message).await;
        world.clock.advance(std::time::Duration::from_secs(4000));
    }
    world.hold_simple("Cheap watches, today only").await
}

#[tokio::test]
async fn every_page_is_readable_on_every_screen() {
    let Some(browser) = Browser::start().await.unwrap() else { return };
    let world = world().await;
    let id = fill(&world).await.as_i64();
    let link = world.link(ANN).await;
    let url = &world.url;
    let show = async |path: &str, name: &str| {
        browser.open(&format!("{url}{path}")).await.unwrap();
        look(&browser, name).await;
    };
    let mail = world.mailbox(ANN).await.remove(0);
    let summary = Summary::read(mail.as_bytes(), &Bounds::default());
    let html = summary.parts[2].content(mail.as_bytes());
    browser.open(&format!("data:text/html;base64,{}", Base64::encode_string(&html))).await.unwrap();
    look(&browser, "digest").await;
    show(&link, "door").await;
    press(&browser, "main button", "Held mail").await;
    assert_eq!(browser.url().await.unwrap(), format!("{url}/quarantine"));
    look(&browser, "list").await;
    show(&format!("/quarantine/{id}"), "message").await;
    show(&format!("/quarantine/{}", id - 4), "message-2").await;
    browser.open(&format!("{url}/quarantine/{id}")).await.unwrap();
    browser.click("summary").await.unwrap();
    look(&browser, "message-tested").await;
    for action in ["release", "allow", "delete"] {
        show(&format!("/quarantine/{id}/{action}"), action).await;
    }
    press(&browser, "main button", "Held mail").await;
    look(&browser, "deleted").await;
    show("/senders", "senders-empty").await;
    for (list, sender) in [("allow", "friend@good.test"), ("allow", "good.test"), ("block", "pest@evil.test")]
    {
        let chosen = format!("input[value={list}]");
        browser.open(&format!("{url}/senders")).await.unwrap();
        browser.click("#sender").await.unwrap();
        browser.keys(sender).await.unwrap();
        browser.click(&chosen).await.unwrap();
        press(&browser, "form.add button", "My senders").await;
    }
    look(&browser, "senders").await;
    browser.click("#sender").await.unwrap();
    browser.keys("nonsense").await.unwrap();
    press(&browser, "form.add button", "My senders").await;
    look(&browser, "senders-wrong").await;
    show("/nowhere", "nowhere").await;
    show("/quarantine", "list-again").await;
    press(&browser, ".leave button", "You are signed out").await;
    look(&browser, "goodbye").await;
    show(&link, "used").await;
    show("/quarantine", "outside").await;
    browser.quit().await;
}

#[tokio::test]
async fn a_message_is_released_by_keyboard_alone() {
    let Some(browser) = Browser::start().await.unwrap() else { return };
    let world = world().await;
    world.hold_simple("Wanted after all").await;
    let link = world.link(ANN).await;
    let before = world.mailbox(ANN).await.len();
    browser.open(&format!("{}{link}", world.url)).await.unwrap();
    tab_to(&browser, "Open my quarantine").await;
    enter(&browser, "Held mail").await;
    browser.keys(TAB).await.unwrap();
    assert_eq!(focused(&browser).await, "Skip to the content");
    tab_to(&browser, "Wanted after all").await;
    enter(&browser, "Wanted after all").await;
    tab_to(&browser, "Release").await;
    enter(&browser, "Release this message?").await;
    tab_to(&browser, "Release").await;
    enter(&browser, "Held mail").await;
    let said = browser.run("return document.querySelector('[role=status]').textContent").await.unwrap();
    assert!(said.as_str().unwrap().starts_with("Released."), "{said}");
    assert_eq!(world.mailbox(ANN).await.len(), before + 1);
    browser.quit().await;
}

#[tokio::test]
async fn a_hostile_message_asks_nobody() {
    let Some(browser) = Browser::start().await.unwrap() else { return };
    let asked = Arc::new(AtomicUsize::new(0));
    let canary = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = canary.local_addr().unwrap();
    let counter = Arc::clone(&asked);
    tokio::spawn(async move {
        while canary.accept().await.is_ok() {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    let world = world().await;
    let id = world.hold(ANN, "eve@evil.test", &hostile::message(&format!("http://{at}"))).await.as_i64();
    let link = world.link(ANN).await;
    browser.open(&format!("{}{link}", world.url)).await.unwrap();
    press(&browser, "main button", "Held mail").await;
    look(&browser, "hostile-list").await;
    for path in ["", "/release", "/allow", "/delete"] {
        browser.open(&format!("{}/quarantine/{id}{path}", world.url)).await.unwrap();
        look(&browser, &format!("hostile{}", path.replace('/', "-"))).await;
        let links = "return [...document.querySelectorAll('[href], [src], [action]')]\
             .map(e => e.href || e.src || e.action).filter(u => !u.startsWith(location.origin))";
        assert_eq!(browser.run(links).await.unwrap(), serde_json::json!([]));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0, "somebody was asked");
    // The canary does sing: a browser that is sent there is counted.
    let _ =
        tokio::time::timeout(std::time::Duration::from_secs(2), browser.open(&format!("http://{at}/"))).await;
    assert!(asked.load(Ordering::SeqCst) > 0);
    browser.quit().await;
}
