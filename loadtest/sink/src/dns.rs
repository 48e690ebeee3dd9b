//! The sandbox's name server: MX and A for what the map knows, NXDOMAIN for everything else.
//!
//! [`answer`] is a function from query to response, both as octets; UDP and TCP serve it. Answers are authoritative, small
//! enough for plain UDP, and carry an SOA where they are negative (RFC 2308), so that resolvers can cache them.

use crate::books::SharedBooks;
use crate::config::Mx;
use crate::map::{Map, Meaning};
use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, MX, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use world::{BoxStream, Datagrams, Listener, World};

/// Of every record, in seconds.
const TTL_SECONDS: u32 = 300;
/// Octets of a query; real ones have under 300.
const QUERY_BYTES_MAX: usize = 4096;

/// A TCP connection lives no longer: a resolver asks and leaves.
const STREAM_SPAN_MAX: Duration = Duration::from_secs(10);
/// After an error of a socket, so that a broken one does not spin.
const ERROR_PAUSE: Duration = Duration::from_millis(50);

/// What an answer was, for the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Records were given.
    Positive,
    /// The name exists without such records.
    NoData,
    /// The name does not exist.
    NameError,
    /// A failure that was asked for.
    Failure,
    /// No query that could be read.
    Malformed,
}

/// The response to a query; `None` where not even an identifier can be read.
pub(crate) fn answer(map: &Map, query: &[u8]) -> (Option<Vec<u8>>, Kind) {
    let Ok(query) = Message::from_vec(query) else { return (None, Kind::Malformed) };
    if query.metadata.message_type != MessageType::Query {
        return (None, Kind::Malformed);
    }
    let mut response = Message::response(query.metadata.id, query.metadata.op_code);
    response.metadata.recursion_desired = query.metadata.recursion_desired;
    response.metadata.recursion_available = true;
    response.metadata.authoritative = true;
    let kind = match (query.metadata.op_code, query.queries.as_slice()) {
        (OpCode::Query, [question]) => {
            response.add_query(question.clone());
            fill(map, &question.name, question.query_type, &mut response)
        }
        _ => {
            response.metadata.response_code = ResponseCode::NotImp;
            Kind::Malformed
        }
    };
    (response.to_vec().ok(), kind)
}

fn fill(map: &Map, name: &Name, kind: RecordType, response: &mut Message) -> Kind {
    let text = name.to_ascii().to_ascii_lowercase();
    let Some(meaning) = map.meaning(text.trim_end_matches('.')) else {
        response.metadata.response_code = ResponseCode::NXDomain;
        response.add_authority(start_of_authority());
        return Kind::NameError;
    };
    let records = match meaning {
        Meaning::Destination { site } if map.sites[site].mx == Mx::Failing => {
            response.metadata.response_code = ResponseCode::ServFail;
            return Kind::Failure;
        }
        Meaning::Destination { site } => of_destination(map, site, kind),
        Meaning::Host { site, number } => of_host(map, site, number, kind),
    };
    if records.is_empty() {
        response.add_authority(start_of_authority());
        return Kind::NoData;
    }
    response.add_answers(records.into_iter().map(|data| Record::from_rdata(name.clone(), TTL_SECONDS, data)));
    Kind::Positive
}

fn of_destination(map: &Map, site: usize, kind: RecordType) -> Vec<RData> {
    let site = &map.sites[site];
    let host = |number| parsed(&site.host(number));
    match (kind, site.mx) {
        (RecordType::MX, Mx::One) => vec![exchange(10, host(1))],
        (RecordType::MX, Mx::Two) => vec![exchange(10, host(1)), exchange(10, host(2))],
        (RecordType::MX, Mx::FirstDown) => vec![exchange(10, host(1)), exchange(20, host(2))],
        // RFC 7505 section 3: "a preference number 0 [and] a zero-length label".
        (RecordType::MX, Mx::Null) => vec![exchange(0, Name::root())],
        (RecordType::A, Mx::Implicit) => vec![address(site.address)],
        _ => Vec::new(),
    }
}

fn of_host(map: &Map, site: usize, number: u8, kind: RecordType) -> Vec<RData> {
    let site = &map.sites[site];
    match (kind, site.mx, number) {
        (RecordType::A, Mx::FirstDown, 1) => vec![address(map.down)],
        (RecordType::A, _, _) => vec![address(site.address)],
        _ => Vec::new(),
    }
}

fn exchange(preference: u16, host: Name) -> RData {
    RData::MX(MX::new(preference, host))
}

fn address(address: Ipv4Addr) -> RData {
    RData::A(A(address))
}

fn start_of_authority() -> Record {
    let soa = SOA::new(parsed("ns.example"), parsed("hostmaster.example"), 1, 3600, 600, 86_400, TTL_SECONDS);
    Record::from_rdata(parsed("example"), TTL_SECONDS, RData::SOA(soa))
}

fn parsed(name: &str) -> Name {
    let mut name = Name::from_ascii(name).expect("names of the map are host names");
    name.set_fqdn(true);
    name
}

/// Answers datagrams for ever.
pub(crate) async fn serve_datagrams(socket: Box<dyn Datagrams>, world: World, map: Arc<Map>, books: SharedBooks) {
    let mut query = vec![0; QUERY_BYTES_MAX];
    loop {
        // A refused earlier answer shows up here as an error of the socket; the next query is not to blame.
        let Ok((length, peer)) = socket.recv_from(&mut query).await else {
            world.sleep(ERROR_PAUSE).await;
            continue;
        };
        let (response, kind) = answer(&map, &query[..length]);
        books.with(|books| books.dns.count(kind));
        if let Some(response) = response {
            // Who asked may be gone already.
            let _ = socket.send_to(&response, peer).await;
        }
    }
}

/// Answers connections for ever: RFC 1035 section 4.2.2, two octets of length in front of each message.
pub(crate) async fn serve_streams(mut door: Box<dyn Listener>, world: World, map: Arc<Map>, books: SharedBooks) {
    loop {
        let Ok((stream, _)) = door.accept().await else {
            world.sleep(ERROR_PAUSE).await;
            continue;
        };
        let (map, books, timer) = (map.clone(), books.clone(), world.clone());
        world.spawn_local(async move {
            // Errors are the client's: it asks again.
            let _ = timer.timeout(STREAM_SPAN_MAX, serve_stream(stream, &map, &books)).await;
        });
    }
}

async fn serve_stream(mut stream: BoxStream, map: &Map, books: &SharedBooks) -> std::io::Result<()> {
    loop {
        let mut query = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut query).await?;
        let (response, kind) = answer(map, &query);
        books.with(|books| books.dns.count(kind));
        let Some(response) = response else { return Ok(()) };
        let length = u16::try_from(response.len()).map_err(std::io::Error::other)?;
        stream.write_all(&[&length.to_be_bytes()[..], &response].concat()).await?;
        stream.flush().await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SandboxConfig;
    use hickory_proto::op::Query;

    fn asked(map: &Map, name: &str, kind: RecordType) -> (Message, Kind) {
        let mut query = Message::query();
        query.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        let (response, kind) = answer(map, &query.to_vec().unwrap());
        let response = response.unwrap();
        assert!(response.len() <= 512, "fits plain UDP");
        (Message::from_vec(&response).unwrap(), kind)
    }

    fn data(message: &Message) -> Vec<String> {
        message.answers.iter().map(|record| record.data.to_string()).collect()
    }

    #[test]
    fn each_shape_is_published_as_it_says() {
        let map = Map::new(&SandboxConfig::mixed(500));
        let mx = |site: &str| asked(&map, &map.destinations_at(site)[0].to_ascii_uppercase(), RecordType::MX);
        assert_eq!(data(&mx("quick-a").0), ["10 mx1.quick-a.example."]);
        assert_eq!(data(&mx("quick-b").0), ["10 mx1.quick-b.example.", "10 mx2.quick-b.example."]);
        assert_eq!(data(&mx("quick-c").0), ["10 mx1.quick-c.example.", "20 mx2.quick-c.example."]);
        assert_eq!(data(&mx("null-mx").0), ["0 ."]);
        let (implicit, kind) = mx("quick-d");
        assert_eq!((implicit.answers.len(), implicit.metadata.response_code, kind), (0, ResponseCode::NoError, Kind::NoData));
        assert_eq!(implicit.authorities.len(), 1);
        assert_eq!(mx("failing").0.metadata.response_code, ResponseCode::ServFail);
        let (missing, kind) = mx("missing");
        assert_eq!((missing.metadata.response_code, kind), (ResponseCode::NXDomain, Kind::NameError));
        let a = |name: &str| data(&asked(&map, name, RecordType::A).0);
        assert_eq!(a("mx1.quick-a.example."), ["127.10.1.0"]);
        assert_eq!((a("mx1.quick-c.example."), a("mx2.quick-c.example.")), (vec!["127.10.0.2".into()], vec!["127.10.1.2".into()]));
        assert_eq!(a(&map.destinations_at("quick-d")[0]), ["127.10.1.3"]);
        assert_eq!(asked(&map, "mx1.quick-a.example", RecordType::AAAA).1, Kind::NoData);
        assert_eq!(asked(&map, "nowhere.example", RecordType::A).1, Kind::NameError);
    }

    #[test]
    fn what_is_no_query_gets_no_answer() {
        let map = Map::new(&SandboxConfig::mixed(1));
        assert_eq!(answer(&map, b"").0, None);
        assert_eq!(answer(&map, &[0xff; 40]).1, Kind::Malformed);
        let mut response = Message::query();
        response.metadata.message_type = MessageType::Response;
        assert_eq!(answer(&map, &response.to_vec().unwrap()).0, None, "two name servers must not talk to each other for ever");
        assert_eq!(answer(&map, &Message::query().to_vec().unwrap()).1, Kind::Malformed);
    }
}
