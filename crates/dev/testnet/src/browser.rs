//! A real browser: headless Chromium, driven by WebDriver (W3C) over plain HTTP.
//!
//! It gets a profile folder of its own that goes with it, and asks nobody for updates. Test certificates are
//! taken. `None` from [`Browser::start`] means that it is not installed (a skip line was written).

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::http::HttpClient;
use crate::skip;
use crate::tool::{kill_group, which};

/// The name under which WebDriver hands out elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A window's size, in CSS pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// 1280 × 800.
    Desktop,
    /// 360 × 740, twice as many device pixels.
    Phone,
}

/// How the system's colours are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

/// A running browser with one window.
pub struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    _folder: tempfile::TempDir,
}

impl Browser {
    /// Starts one, or says that it is not installed.
    ///
    /// # Errors
    /// It is there and does not start.
    pub async fn start() -> io::Result<Option<Self>> {
        let (Some(driver), Some(program)) = (which("chromedriver"), which("chromium")) else {
            skip("chromium and chromium-driver are not installed (`cargo xtask test` as root installs them)");
            return Ok(None);
        };
        let folder = tempfile::tempdir()?;
        let mut driver = Command::new(driver)
            .arg("--port=0")
            .env("HOME", folder.path())
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .process_group(0)
            .spawn()?;
        let address = port_of(&mut driver).await?;
        let mut browser = Self { driver, address, session: String::new(), _folder: folder };
        browser.session = browser.new_session(&program).await?;
        Ok(Some(browser))
    }

    async fn new_session(&self, program: &Path) -> io::Result<String> {
        let profile = self._folder.path().join("profile");
        let args = [
            "--headless".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-default-apps".to_owned(),
            "--disable-sync".to_owned(),
            "--window-size=1280,800".to_owned(),
            format!("--user-data-dir={}", profile.display()),
        ];
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "acceptInsecureCerts": true,
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": { "binary": program, "args": args },
        }}});
        let made = self.ask("POST", "/session", &capabilities).await?;
        let id = made["sessionId"].as_str().ok_or_else(|| io::Error::other(format!("no session: {made}")))?;
        Ok(id.to_owned())
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> io::Result<Value> {
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let fields = [("Content-Type", "application/json")];
        let answer = HttpClient::http(self.address).request(method, path, &fields, body.as_bytes()).await?;
        let mut value: Value = serde_json::from_str(&answer.body).map_err(io::Error::other)?;
        match answer.status {
            200 => Ok(value["value"].take()),
            _ => Err(io::Error::other(format!("{method} {path}: {}", value["value"]["message"]))),
        }
    }

    async fn command(&self, path: &str, body: Value) -> io::Result<Value> {
        self.ask("POST", &format!("/session/{}{path}", self.session), &body).await
    }

    async fn look(&self, path: &str) -> io::Result<Value> {
        self.ask("GET", &format!("/session/{}{path}", self.session), &Value::Null).await
    }

    /// Calls the browser's own protocol (CDP).
    ///
    /// # Errors
    /// The browser says no.
    pub async fn cdp(&self, command: &str, parameters: Value) -> io::Result<Value> {
        self.command("/goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await
    }

    /// Makes the window this large.
    ///
    /// # Errors
    /// The browser says no.
    pub async fn resize(&self, screen: Screen) -> io::Result<()> {
        let (width, height, scale, mobile) = match screen {
            Screen::Desktop => (1280, 800, 1, false),
            Screen::Phone => (360, 740, 2, true),
        };
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": mobile });
        self.cdp("Emulation.setDeviceMetricsOverride", metrics).await.map(drop)
    }

    /// Sets the system's colours.
    ///
    /// # Errors
    /// The browser says no.
    pub async fn colours(&self, scheme: Scheme) -> io::Result<()> {
        let value = if scheme == Scheme::Dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": value }] });
        self.cdp("Emulation.setEmulatedMedia", media).await.map(drop)
    }

    /// Opens a page and waits until it is loaded.
    ///
    /// # Errors
    /// It does not load.
    pub async fn open(&self, url: &str) -> io::Result<()> {
        self.command("/url", json!({ "url": url })).await.map(drop)
    }

    /// The address of the page.
    ///
    /// # Errors
    /// The browser says no.
    pub async fn url(&self) -> io::Result<String> {
        Ok(self.look("/url").await?.as_str().unwrap_or_default().to_owned())
    }

    /// Runs a function body in the page and gives what it returns. Not held back by the page's policy.
    ///
    /// # Errors
    /// It throws.
    pub async fn run(&self, script: &str) -> io::Result<Value> {
        self.command("/execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// Clicks the first element that the CSS selector finds.
    ///
    /// # Errors
    /// There is none, or it is covered.
    pub async fn click(&self, selector: &str) -> io::Result<()> {
        let found = self.command("/element", json!({ "using": "css selector", "value": selector })).await?;
        let id = found[ELEMENT].as_str().unwrap_or_default();
        self.command(&format!("/element/{id}/click"), json!({})).await.map(drop)
    }

    /// Types keys, wherever the focus is. WebDriver's codes: `\u{E004}` is Tab, `\u{E007}` Enter.
    ///
    /// # Errors
    /// The browser says no.
    pub async fn keys(&self, keys: &str) -> io::Result<()> {
        let presses: Vec<Value> = keys
            .chars()
            .flat_map(|key| {
                let key = key.to_string();
                [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })]
            })
            .collect();
        let actions = json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": presses }] });
        self.command("/actions", actions).await.map(drop)
    }

    /// What the browser complained about since this was asked last: policy violations, failed loads.
    ///
    /// # Errors
    /// The browser says no.
    pub async fn complaints(&self) -> io::Result<Vec<String>> {
        let entries = self.command("/se/log", json!({ "type": "browser" })).await?;
        let entries = entries.as_array().cloned().unwrap_or_default();
        Ok(entries.iter().map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect())
    }

    /// The whole page as PNG, in base64.
    ///
    /// # Errors
    /// The browser says no.
    pub async fn picture(&self) -> io::Result<String> {
        let parameters = json!({ "format": "png", "captureBeyondViewport": true });
        let shot = self.cdp("Page.captureScreenshot", parameters).await?;
        Ok(shot["data"].as_str().unwrap_or_default().to_owned())
    }

    /// Closes the window and ends the programs.
    pub async fn quit(mut self) {
        let path = format!("/session/{}", self.session);
        let _ = self.ask("DELETE", &path, &Value::Null).await;
        kill_group(self.driver.id(), nix::sys::signal::Signal::SIGKILL);
        let _ = self.driver.wait().await;
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser's processes are in the driver's group.
        kill_group(self.driver.id(), nix::sys::signal::Signal::SIGKILL);
    }
}

/// `ChromeDriver was started successfully on port 39481.`
async fn port_of(driver: &mut Child) -> io::Result<SocketAddr> {
    let stdout = driver.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await? {
        let Some((_, port)) = line.split_once("successfully on port ") else { continue };
        let port = port.trim_end_matches('.').parse().map_err(io::Error::other)?;
        // What it writes from now on is read and forgotten, so that it never waits.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    Err(io::Error::other("chromedriver ended without saying its port"))
}
