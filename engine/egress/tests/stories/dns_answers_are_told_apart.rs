//! Hickory against a name server on loopback: what exists, what does not, what is silent, and what is asked only once.

use egress::dns::hickory::HickoryResolve;
use egress::{DnsTrouble, EgressConfig, LookupFailure, MxRecord, Resolve, Routes, SiteResolver};
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME, MX};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use model::Destination;
use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use world::{World, block_on};

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

/// What the name server says to a question; `None` says nothing at all.
fn answer(asked: &str, kind: RecordType) -> Option<Result<Vec<RData>, ResponseCode>> {
    let mx = |preference, host: &str| RData::MX(MX::new(preference, name(host)));
    Some(Ok(match (asked, kind) {
        ("a.example.", RecordType::MX) => vec![mx(20, "MX2.A.Example."), mx(10, "mx1.a.example.")],
        ("null.example.", RecordType::MX) => vec![mx(0, ".")],
        ("mx1.a.example.", RecordType::A) => vec![RData::A(A::new(192, 0, 2, 1))],
        ("mx1.a.example.", RecordType::AAAA) => vec![RData::AAAA(AAAA::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))],
        ("mx2.a.example.", RecordType::A) => vec![RData::A(A::new(127, 0, 0, 1))],
        ("plain.example.", RecordType::A) => vec![RData::A(A::new(192, 0, 2, 7))],
        ("loop.example.", _) => vec![RData::CNAME(CNAME(name("loop.example.")))],
        ("mx2.a.example." | "plain.example.", _) => vec![],
        ("broken.example.", _) => return Some(Err(ResponseCode::ServFail)),
        ("refused.example.", _) => return Some(Err(ResponseCode::Refused)),
        ("silent.example.", _) => return None,
        _ => return Some(Err(ResponseCode::NXDomain)),
    }))
}

/// A name server; counts the questions.
fn name_server(world: &World) -> (SocketAddr, Rc<Cell<u32>>) {
    let socket = world.net().bind_udp("127.0.0.1:0".parse().unwrap()).unwrap();
    let (at, asked) = (socket.local_addr().unwrap(), Rc::new(Cell::new(0)));
    let counter = Rc::clone(&asked);
    world.spawn_local(async move {
        let mut buffer = [0; 4096];
        while let Ok((octets, client)) = socket.recv_from(&mut buffer).await {
            let question = Message::from_vec(&buffer[..octets]).unwrap();
            let query = question.queries[0].clone();
            counter.set(counter.get() + 1);
            let Some(said) = answer(&query.name().to_ascii().to_ascii_lowercase(), query.query_type()) else { continue };
            let mut response = Message::response(question.metadata.id, question.metadata.op_code);
            response.metadata.recursion_available = true;
            response.add_query(query.clone());
            match said {
                Ok(records) => {
                    response.add_answers(records.into_iter().map(|data| Record::from_rdata(query.name().clone(), 300, data)));
                }
                Err(code) => response.metadata.response_code = code,
            }
            let _ = socket.send_to(&response.to_vec().unwrap(), client).await;
        }
    });
    (at, asked)
}

#[test]
fn each_kind_of_answer_has_its_name() {
    block_on(async {
        let (at, asked) = name_server(&World::real());
        let resolve = HickoryResolve::new(&[at], Duration::from_millis(200), 1000).unwrap();
        let mut records = resolve.mail_exchangers("a.example").await.unwrap();
        records.sort();
        let mx = |preference, host: &str| MxRecord { preference, host: host.into() };
        assert_eq!(records, [mx(10, "mx1.a.example"), mx(20, "mx2.a.example")]);
        let before = asked.get();
        resolve.mail_exchangers("a.example").await.unwrap();
        assert_eq!(asked.get(), before, "the second answer comes from the cache");
        let mut addresses = resolve.addresses("mx1.a.example").await.unwrap();
        addresses.sort();
        assert_eq!(addresses, ["192.0.2.1".parse::<std::net::IpAddr>().unwrap(), "2001:db8::1".parse().unwrap()]);
        assert_eq!(resolve.mail_exchangers("null.example").await.unwrap(), [mx(0, "")]);
        for (asked, failure) in [
            ("absent.example", LookupFailure::NoSuchName),
            ("plain.example", LookupFailure::NoRecords),
            ("broken.example", LookupFailure::Unavailable),
            ("refused.example", LookupFailure::Unavailable),
            ("silent.example", LookupFailure::Unavailable),
        ] {
            assert_eq!(resolve.mail_exchangers(asked).await, Err(failure), "{asked}");
        }
        assert!(resolve.addresses("loop.example").await.is_err(), "a CNAME loop ends");
    });
}

#[test]
fn sites_come_out_of_real_questions() {
    block_on(async {
        let world = World::real();
        let (at, _) = name_server(&world);
        let config =
            EgressConfig { port: 2525, name_servers: vec![at], dns_timeout: Duration::from_millis(200), ..EgressConfig::default() };
        let resolver = SiteResolver::from_config(world, &config, Routes::default()).unwrap();
        let site = async |text: &str| resolver.site(&Destination::parse(text).unwrap()).await;
        let found = site("a.example").await.unwrap();
        assert_eq!((found.name.as_str(), found.mx_hosts.len()), ("(mx1|mx2).a.example", 2));
        let mut addresses: Vec<String> = found.targets.iter().map(|target| target.address.to_string()).collect();
        addresses.sort();
        assert_eq!(addresses, ["192.0.2.1:2525", "[2001:db8::1]:2525"], "mx2 points to loopback and is left out");
        assert_eq!(site("plain.example").await.unwrap().name, "plain.example");
        for (asked, trouble) in [
            ("null.example", DnsTrouble::NullMx),
            ("absent.example", DnsTrouble::NoSuchDomain),
            ("broken.example", DnsTrouble::Unavailable),
            ("silent.example", DnsTrouble::Unavailable),
        ] {
            assert_eq!(site(asked).await, Err(trouble), "{asked}");
        }
    });
}
