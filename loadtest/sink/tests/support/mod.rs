//! A raw client: says a line, reads a reply, and nothing more.

#![allow(dead_code, clippy::unwrap_used, reason = "each test uses a part of it")]

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sink::{Personality, Sandbox, SandboxConfig, SiteConfig};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio_rustls::TlsConnector;
use world::{BoxStream, ConnectRequest, World};

/// A sandbox of one site called `only`, on addresses of its own per test (`net` = third of the address).
pub(crate) fn one_site(world: &World, net: u8, personality: Personality) -> Sandbox {
    let config = SandboxConfig { base: base(net), ..SandboxConfig::new(3, vec![SiteConfig::new("only", personality, 1)]) };
    Sandbox::start(world, config).unwrap()
}

pub(crate) fn base(net: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 40, net, 0)
}

pub(crate) struct Client {
    stream: BufReader<BoxStream>,
}

impl Client {
    /// Connects without reading the greeting.
    pub(crate) async fn connect(world: &World, target: SocketAddr, source: Option<IpAddr>) -> Self {
        let stream = world.net().connect(ConnectRequest { target, source }).await.unwrap();
        Self { stream: BufReader::new(stream) }
    }

    /// Connects, reads the greeting, says EHLO.
    pub(crate) async fn open(world: &World, target: SocketAddr) -> Self {
        let mut client = Self::connect(world, target, None).await;
        assert_eq!(client.code().await, 220);
        assert_eq!(client.say("EHLO client.example").await, 250);
        client
    }

    /// Says a line; gives the code of the reply.
    pub(crate) async fn say(&mut self, line: &str) -> u16 {
        self.write(&format!("{line}\r\n")).await;
        self.code().await
    }

    pub(crate) async fn write(&mut self, text: &str) {
        self.stream.get_mut().write_all(text.as_bytes()).await.unwrap();
        self.stream.get_mut().flush().await.unwrap();
    }

    pub(crate) async fn code(&mut self) -> u16 {
        self.reply().await.expect("a reply")[..3].parse().unwrap()
    }

    /// The whole reply; `None` where the connection is lost instead.
    pub(crate) async fn reply(&mut self) -> Option<String> {
        let mut whole = String::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return None;
            }
            let last = line.as_bytes().get(3) != Some(&b'-');
            whole.push_str(&line);
            if last {
                return Some(whole);
            }
        }
    }

    /// MAIL, RCPT, DATA and content; gives the last code, or `None` where the connection was lost behind the final dot.
    pub(crate) async fn send(&mut self, recipient: &str, message_id: &str) -> Option<u16> {
        for line in ["MAIL FROM:<a@sender.example>", &format!("RCPT TO:<{recipient}>"), "DATA"] {
            let code = self.say(line).await;
            if code >= 400 {
                return Some(code);
            }
        }
        self.write(&format!("Subject: x\r\nMessage-ID: {message_id}\r\n\r\n..hidden dot\r\n.\r\n")).await;
        self.reply().await.map(|reply| reply[..3].parse().unwrap())
    }

    /// STARTTLS and the handshake with `name`, trusting `ca_pem`.
    pub(crate) async fn start_tls(mut self, ca_pem: &str, name: &str) -> io::Result<Self> {
        assert_eq!(self.say("STARTTLS").await, 220);
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let encrypted = TlsConnector::from(Arc::new(config)).connect(name, self.stream.into_inner()).await?;
        let mut client = Self { stream: BufReader::new(Box::new(encrypted)) };
        assert_eq!(client.say("EHLO client.example").await, 250);
        Ok(client)
    }
}
