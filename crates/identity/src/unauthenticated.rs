//! Why a credential was not accepted, by what the caller can do about it.

use firewarden_fhir::Timestamp;

use crate::DirectoryUnavailable;

/// Why a request has no caller. The text is for logs; it never holds a token or a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unauthenticated {
    /// There are several `Authorization` headers: the client sends one.
    #[error("more than one `Authorization` header")]
    Ambiguous,
    /// It is not a credential of a kind we read: the client sends a Bearer token or Basic.
    #[error("not a credential: {}", .0.label())]
    Malformed(Check),
    /// No active introspector trusts the token's issuer: the client asks another one.
    #[error("unknown issuer")]
    UnknownIssuer,
    /// The token is over: the client gets a new one.
    #[error("expired at {at}")]
    Expired {
        /// When it ended.
        at: Timestamp,
    },
    /// The token is not what its introspector demands: another token is needed.
    #[error("token refused: {}", .0.label())]
    TokenRefused(Check),
    /// There is no such client, or not with that secret, or it may not authenticate in this way.
    #[error("client refused: {}", .0.label())]
    ClientRefused(Check),
    /// The user of the token must not act now.
    #[error("user refused: {}", .0.label())]
    UserRefused(Check),
    /// The keys of the token's issuer cannot be had now: the client tries again later.
    #[error("the keys of the issuer are not available")]
    KeysUnavailable {
        /// After how many seconds.
        retry_after_s: u64,
    },
    /// The issuer says that the token is over, revoked or not its own: another one is needed.
    #[error("not an active token")]
    NotActive,
    /// Who could vouch for the token cannot be asked now: the client tries again later.
    #[error("the introspection endpoint is not available")]
    IntrospectionUnavailable {
        /// After how many seconds.
        retry_after_s: u64,
    },
    /// Too many secrets are being checked: the client tries again later.
    #[error("too many client secrets are being checked")]
    Busy {
        /// After how many seconds.
        retry_after_s: u64,
    },
    /// Users and clients cannot be looked up now: the client tries again later.
    #[error("the directory is not available")]
    DirectoryUnavailable {
        /// After how many seconds.
        retry_after_s: u64,
    },
}

impl Unauthenticated {
    /// The check that failed, for logs and metrics: one of a fixed set of words.
    pub fn check(&self) -> &'static str {
        match self {
            Self::Ambiguous => "authorization-header",
            Self::Malformed(check)
            | Self::TokenRefused(check)
            | Self::ClientRefused(check)
            | Self::UserRefused(check) => check.label(),
            Self::UnknownIssuer => "issuer",
            Self::Expired { .. } => "exp",
            Self::KeysUnavailable { .. } => "keys-unavailable",
            Self::NotActive => "active",
            Self::IntrospectionUnavailable { .. } => "introspection-unavailable",
            Self::Busy { .. } => "busy",
            Self::DirectoryUnavailable { .. } => "directory-unavailable",
        }
    }

    /// After how many seconds the same credential may be tried again; `None` when it is refused
    /// for what it is.
    pub fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::KeysUnavailable { retry_after_s }
            | Self::IntrospectionUnavailable { retry_after_s }
            | Self::Busy { retry_after_s }
            | Self::DirectoryUnavailable { retry_after_s } => Some(*retry_after_s),
            Self::Ambiguous
            | Self::Malformed(_)
            | Self::UnknownIssuer
            | Self::NotActive
            | Self::Expired { .. }
            | Self::TokenRefused(_)
            | Self::ClientRefused(_)
            | Self::UserRefused(_) => None,
        }
    }
}

impl From<DirectoryUnavailable> for Unauthenticated {
    fn from(_: DirectoryUnavailable) -> Self {
        Self::DirectoryUnavailable { retry_after_s: 1 }
    }
}

/// One check of a credential, to name the one that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Check {
    /// `Authorization` names a scheme that we serve, in its form.
    Scheme,
    /// The token is at most [`limits::TOKEN_BYTES_MAX`](crate::limits::TOKEN_BYTES_MAX) long.
    Length,
    /// The token has three parts.
    Parts,
    /// Each part is canonical base64url without padding.
    Encoding,
    /// The header is a JSON object whose members have their types.
    Header,
    /// The claims are a JSON object without duplicate members.
    Claims,
    /// `alg` is one that the introspector and the key allow.
    Algorithm,
    /// There is no `crit`, and no `b64`.
    Critical,
    /// `typ` is that of an access token.
    Type,
    /// `kid` names a key of the introspector.
    KeyId,
    /// The signature is that key's.
    Signature,
    /// `iss` is a string.
    Issuer,
    /// `exp` is there, and a date.
    Expiry,
    /// `nbf` is a date that has passed.
    NotBefore,
    /// `iat` is a date that has passed.
    IssuedAt,
    /// The token is younger than `jwt.max_age`.
    Age,
    /// `aud` holds `jwt.aud`.
    Audience,
    /// `sub`, `box_user` or `user.claim` is a string that can name somebody.
    Subject,
    /// Every claim of `jwt.required_claims` is there.
    RequiredClaims,
    /// The token names one user, not several.
    OneUser,
    /// The user is active.
    ActiveUser,
    /// There is such a client, with that secret.
    ClientSecret,
    /// The client is active.
    ActiveClient,
    /// The client's `grant_types` hold the way it authenticates.
    GrantType,
    /// The token of this server's own is of a session that is there.
    Session,
    /// `client.claim` is a string that can name somebody.
    ClientClaim,
    /// Token and `X-Client-Auth` name one client, not two.
    OneClient,
}

impl Check {
    /// Its name in logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Scheme => "scheme",
            Self::Length => "length",
            Self::Parts => "parts",
            Self::Encoding => "encoding",
            Self::Header => "header",
            Self::Claims => "claims",
            Self::Algorithm => "alg",
            Self::Critical => "crit",
            Self::Type => "typ",
            Self::KeyId => "kid",
            Self::Signature => "signature",
            Self::Issuer => "iss",
            Self::Expiry => "exp",
            Self::NotBefore => "nbf",
            Self::IssuedAt => "iat",
            Self::Age => "max-age",
            Self::Audience => "aud",
            Self::Subject => "sub",
            Self::RequiredClaims => "required-claims",
            Self::OneUser => "one-user",
            Self::ActiveUser => "active-user",
            Self::ClientSecret => "client-secret",
            Self::ActiveClient => "active-client",
            Self::GrantType => "grant-type",
            Self::Session => "session",
            Self::ClientClaim => "client-claim",
            Self::OneClient => "one-client",
        }
    }
}
