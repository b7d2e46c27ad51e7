//! Messages made to do something to whoever looks at them.

use super::world::{ANN, world};

/// Everything that HTML in mail is known to try, pointed at one server.
pub fn message(canary: &str) -> String {
    format!(
        "From: =?utf-8?q?Bank=E2=80=AE_<script>alert(1)</script>?= <\"<img src=x>\"@evil.test>\n\
         To: {ANN}\n\
         Subject: =?utf-8?q?<img_src=3D{canary}/subject_onerror=3Dalert(1)>_invoice=E2=80=AEfdp.exe?=\n\
         MIME-Version: 1.0\n\
         Content-Type: multipart/mixed; boundary=b\n\n\
         --b\nContent-Type: text/html; charset=utf-8\n\n\
         <html><head><meta http-equiv=refresh content=\"0;url={canary}/refresh\">\
         <link rel=stylesheet href={canary}/style><link rel=prefetch href={canary}/prefetch>\
         <style>@import url({canary}/import);body{{background:url({canary}/background)}}</style>\
         <base href={canary}/></head>\
         <body onload=\"fetch('{canary}/onload')\" background={canary}/bg>\
         <script src={canary}/script></script><script>new Image().src='{canary}/image'</script>\
         <img src={canary}/pixel width=1><img srcset=\"{canary}/set 2x\"><svg><image href={canary}/svg></svg>\
         <iframe src={canary}/frame></iframe><object data={canary}/object></object><embed src={canary}/embed>\
         <video poster={canary}/poster src={canary}/video></video><audio src={canary}/audio autoplay></audio>\
         <form action={canary}/form><input name=password><button>Sign in</button></form>\
         <p>Dear customer</p><a href=\"{canary}/click\" ping={canary}/ping>www.bank.example</a>\
         <a href=\"javascript:alert(1)\">x</a></pre></section></main><script>alert(2)</script>\
         </body></html>\n\
         --b\nContent-Type: application/x-msdownload; name=\"invoice\u{202e}fdp.exe\"\n\
         Content-Disposition: attachment; filename=\"<img src={canary}/name>.exe\"\n\nMZ\n--b--\n"
    )
}

#[tokio::test]
async fn a_hostile_message_is_text_and_nothing_else() {
    let world = world().await;
    let canary = "http://canary.test";
    let id = world.hold(ANN, "eve@evil.test", &message(canary)).await.as_i64();
    let mut ann = world.inside(ANN).await;
    for path in ["/quarantine".to_owned(), format!("/quarantine/{id}"), format!("/quarantine/{id}/release")] {
        let page = ann.get(&path).await.unwrap().body;
        assert_eq!(page.matches("<img").count(), 1, "our own: {page}");
        for forbidden in
            ["<script", "<iframe", "<svg", "<object", "<meta http-equiv", "<base", "<style", "\u{202e}"]
        {
            assert!(!page.contains(forbidden), "{path}: {forbidden}: {page}");
        }
        // The only images and links are our own.
        for (attribute, allowed) in [("src=\"", "/icon.svg"), ("href=\"", "/"), ("action=\"", "/")] {
            for (at, _) in page.match_indices(attribute) {
                let value = &page[at + attribute.len()..];
                let own = value.starts_with(allowed) || value.starts_with("#main");
                assert!(own, "{path}: {}", &value[..40]);
            }
        }
    }
    let page = ann.get(&format!("/quarantine/{id}")).await.unwrap().body;
    assert!(page.contains("Dear customer"));
    assert!(
        page.contains("www.bank.example [http://canary.test/click]"),
        "where links lead is shown: {page}"
    );
    assert!(page.contains("&#60;img src=http://canary.test/subject"), "{page}");
}

#[tokio::test]
async fn a_huge_message_is_shown_in_part() {
    let world = world().await;
    let huge = format!("Subject: {}\n\n{}", "long ".repeat(2000), "A line of the text.\n".repeat(400_000));
    let id = world.hold(ANN, "eve@evil.test", &huge).await.as_i64();
    let deep: String =
        (0..5000).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n")).collect();
    let nested = world.hold(ANN, "eve@evil.test", &format!("Subject: deep\n{deep}")).await.as_i64();
    let mut ann = world.inside(ANN).await;
    assert!(ann.get("/quarantine").await.unwrap().body.len() < 20_000);
    let page = ann.get(&format!("/quarantine/{id}")).await.unwrap().body;
    assert!(page.len() < 100_000, "{}", page.len());
    assert!(page.contains("The message is longer than what is shown here."));
    assert_eq!(ann.get(&format!("/quarantine/{nested}")).await.unwrap().status, 200);
}
