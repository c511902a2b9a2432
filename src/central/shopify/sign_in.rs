//! Signing in: an access token as it is, or one that is fetched with an app's client ID and secret.
//!
//! Promises: a token is fetched when there is none, some time before it ends, and once more when the store says that it does
//! not hold any more; neither secret nor token is in an error. An app made in the Shopify admin has a token that does not
//! end; since 1 January 2026 new apps are made in the Dev Dashboard and fetch theirs, which end after a day
//! (<https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/client-credentials-grant>).

use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::header::HeaderName;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;

use crate::central::authorize::{Authorization, Renewable};
use crate::central::client::{Call, Client};
use crate::central::secret::Secret;
use crate::central::settings::{SettingsError, StoreSettings};
use crate::domain::retry::FailureClass;
use crate::ports::StoreError;

/// The header that carries the token.
static HEADER: HeaderName = HeaderName::from_static("x-shopify-access-token");
/// A fetched token is fetched anew this long before it ends.
const BEFORE_ITS_END: Duration = Duration::from_secs(60 * 60);
/// What is being done, for messages.
const DOING: &str = "signing in to Shopify";

/// How we sign in.
#[derive(Debug)]
pub(super) enum SignIn {
    /// The client has the token.
    Token,
    /// A token is fetched.
    App(Box<App>),
}

/// An app of the Dev Dashboard.
#[derive(Debug)]
pub(super) struct App {
    client_id: String,
    client_secret: Secret,
    header: Renewable,
    until: Mutex<Option<Instant>>,
}

/// What comes back.
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: Option<u64>,
}

/// What signs requests in, and who keeps it so.
///
/// # Errors
/// When the token is not where the settings say, or cannot be sent.
pub(super) fn sign_in(settings: &StoreSettings) -> Result<(Authorization, SignIn), SettingsError> {
    let secret = settings.read_token()?;
    let app = settings.shopify.as_ref().and_then(|own| own.client_id.clone());
    let Some(client_id) = app else {
        return Ok((Authorization::header(HEADER.clone(), secret.reveal())?, SignIn::Token));
    };
    let header = Renewable::new(HEADER.clone());
    let app = App { client_id, client_secret: secret, header: header.clone(), until: Mutex::default() };
    Ok((Authorization::Renewable(header), SignIn::App(Box::new(app))))
}

impl SignIn {
    /// Sees to it that the next request carries a token that holds.
    ///
    /// # Errors
    /// When the store does not give one.
    pub(super) async fn ready(&self, client: &Client) -> Result<(), StoreError> {
        match self {
            Self::Token => Ok(()),
            Self::App(app) => {
                let mut until = app.until.lock().await;
                if until.is_none_or(|until| Instant::now() >= until) {
                    *until = Some(app.fetch(client).await?);
                }
                Ok(())
            }
        }
    }

    /// The store says that the token does not hold. Can another be fetched?
    pub(super) async fn forget(&self) -> bool {
        match self {
            Self::Token => false,
            Self::App(app) => app.until.lock().await.take().is_some(),
        }
    }
}

impl App {
    /// Fetches a token; until when it is to be used.
    async fn fetch(&self, client: &Client) -> Result<Instant, StoreError> {
        let body = json!({
            "grant_type": "client_credentials", "client_id": self.client_id, "client_secret": self.client_secret.reveal(),
        });
        let call = Call::write(Method::POST, DOING, "/admin/oauth/access_token", body.to_string());
        let secret = |why: StoreError| StoreError { exchange: None, maybe_done: false, ..why };
        let reply = client.send(&call).await.map_err(secret)?;
        if !reply.is_success() || reply.is_web_page() {
            let why = client.refusal(&call, &reply);
            let transient = matches!(reply.status, 408 | 429 | 500..);
            let class = if transient { FailureClass::Transient } else { FailureClass::Permanent };
            let remedy =
                "Are `shopify.client_id` and the client secret those of the app, and is it installed in this shop?";
            let what = if transient { why.what.clone() } else { format!("{}. {remedy}", why.what) };
            return Err(secret(StoreError { class, what, ..why }));
        }
        // What is odd about it is not repeated: it may hold a token.
        let odd =
            || StoreError::new(FailureClass::Permanent, format!("{DOING}: the answer holds no token that can be used"));
        let granted: Granted = serde_json::from_slice(&reply.body).map_err(|_| odd())?;
        self.header.renew(&granted.access_token).map_err(|_| odd())?;
        let holds = Duration::from_secs(granted.expires_in.unwrap_or(u64::from(u16::MAX)));
        let used = holds.checked_sub(BEFORE_ITS_END).unwrap_or(holds / 2);
        Ok(Instant::now() + used.min(Duration::from_secs(7 * 24 * 60 * 60)))
    }
}
