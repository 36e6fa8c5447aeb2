//! A service that learns while it answers: features in, prediction out, label in, one step of SGD.
//!
//! `cargo run --release --example online serve [PORT]` serves until it gets Ctrl-C or SIGTERM, then writes a checkpoint, from which it goes on
//! when it is started again. Without arguments it serves eight clients of its own, and counts.
//!
//! ```sh
//! curl --data 0.5,-1.2,… localhost:8080/predict    # 17 0.93, its number and the probability
//! curl --data 1 localhost:8080/label/17            # 0.0726, the loss of that prediction
//! ```
use downhill::data::{CsvOptions, Kind, Standardizer, Table};
use downhill::log::Curves;
use downhill::prelude::*;
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::{thread, time::Duration};
use tiny_http::{Request, Response, Server};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../breast_cancer/breast_cancer.csv");
const CHECKPOINT: &str = "target/online.safetensors";
const FEATURES: usize = 30;
/// Requests that are answered at once, and features that wait for their label at most.
const THREADS: usize = 4;
const WAITING: usize = 100_000;
const CURVES: &str = "target/curves/online.csv";
const EACH: u64 = 100;

/// What answers, and learns.
struct Service {
    model: Linear,
    optimizer: SGD,
    asked: u64,
    learned: u64,
    waiting: BTreeMap<u64, Tensor>,
    /// The sum of the losses since the last line of the curves, one of `EACH` labels.
    total: f64,
    curves: Curves,
}

impl Service {
    /// As its checkpoint left it, or new.
    fn new(checkpoint: &Path) -> Result<Self> {
        manual_seed(0);
        let model = Linear::new(FEATURES, 1)?;
        let mut optimizer = SGD::new(model.parameters(), SgdOptions { lr: 0.02, ..Default::default() })?;
        let (mut asked, mut learned) = (0, 0);
        if checkpoint.exists() {
            let file = Checkpoint::load(checkpoint)?;
            file.restore(&model, &mut optimizer)?;
            (asked, learned) = (file.epoch, file.step);
        }
        let curves = if learned == 0 { Curves::create(CURVES)? } else { Curves::append(CURVES)? };
        Ok(Self { model, optimizer, asked, learned, waiting: BTreeMap::new(), total: 0.0, curves })
    }

    fn save(&self, checkpoint: &Path) -> Result<()> {
        let file = Checkpoint::of(&self.model, &self.optimizer);
        Checkpoint { epoch: self.asked, step: self.learned, ..file }.save(checkpoint)
    }

    fn predict(&mut self, features: &str) -> Result<String, Failure> {
        let features = features.split(',').map(|x| x.trim().parse()).collect::<Result<Vec<f32>, _>>()?;
        let x = Tensor::from(features);
        let chance: f32 = no_grad(|| self.model.forward(&x))?.sigmoid().item()?;
        self.asked += 1;
        self.waiting.insert(self.asked, x);
        if self.waiting.len() > WAITING {
            self.waiting.pop_first();
        }
        Ok(format!("{} {chance}", self.asked))
    }

    fn learn(&mut self, number: &str, label: &str) -> Result<String, Failure> {
        let y = Tensor::from([label.trim().parse::<f32>()?]);
        let x =
            self.waiting.remove(&number.parse()?).ok_or("no prediction of this number waits for a label")?;
        self.optimizer.zero_grad();
        let loss = BCEWithLogitsLoss::default().forward(&self.model.forward(&x)?, &y)?;
        loss.backward()?;
        self.optimizer.step()?;
        self.learned += 1;
        self.total += loss.item::<f64>()?;
        if self.learned.is_multiple_of(EACH) {
            let mean = std::mem::take(&mut self.total) / EACH as f64;
            self.curves.add(self.learned as usize, &[("loss", mean)])?;
        }
        Ok(loss.item::<f32>()?.to_string())
    }
}

fn answer(service: &Mutex<Service>, request: &mut Request) -> Result<String, Failure> {
    let mut body = String::new();
    request.as_reader().take(10_000).read_to_string(&mut body)?;
    let mut service = service.lock().map_err(|_| "an earlier request has failed")?;
    match request.url().split('/').collect::<Vec<_>>()[..] {
        ["", "predict"] => service.predict(&body),
        ["", "label", number] => service.learn(number, &body),
        _ => Err("expected /predict or /label/NUMBER".into()),
    }
}

/// Answers until it is told to stop, then writes a checkpoint.
fn serve(server: &Server, checkpoint: &Path, stop: &AtomicBool) -> Result<(), Failure> {
    let service = Mutex::new(Service::new(checkpoint)?);
    let work = || -> io::Result<()> {
        while !stop.load(SeqCst) {
            if let Some(mut request) = server.recv_timeout(Duration::from_millis(50))? {
                let (text, status) = match answer(&service, &mut request) {
                    Ok(text) => (text, 200),
                    Err(error) => (error.to_string(), 400),
                };
                // A client that has gone needs no answer.
                let _ = request.respond(Response::from_string(text).with_status_code(status));
            }
        }
        Ok(())
    };
    thread::scope(|scope| (0..THREADS).for_each(|_| drop(scope.spawn(work))));
    Ok(service.into_inner().map_err(|_| "a request has failed")?.save(checkpoint)?)
}

/// One connection to the service.
struct Client(BufReader<TcpStream>);

impl Client {
    fn post(&mut self, path: &str, body: &str) -> Result<String, Failure> {
        let length = body.len();
        let request =
            format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}");
        self.0.get_mut().write_all(request.as_bytes())?;
        let (mut line, mut length, mut ok) = (String::new(), 0, None);
        while line.trim_end() != "" || ok.is_none() {
            line.clear();
            self.0.read_line(&mut line)?;
            ok = ok.or(Some(line.starts_with("HTTP/1.1 200")));
            if let Some(text) = line.to_lowercase().strip_prefix("content-length:") {
                length = text.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        let body = String::from_utf8(body)?;
        if ok == Some(true) { Ok(body) } else { Err(body.into()) }
    }
}

/// Asks for each tumour and tells what it was; gives how many guesses were right.
fn ask(address: SocketAddr, tumours: &[(String, bool)]) -> Result<usize, Failure> {
    let mut client = Client(BufReader::new(TcpStream::connect(address)?));
    let mut right = 0;
    for (features, malignant) in tumours {
        let answer = client.post("/predict", features)?;
        let (number, chance) = answer.split_once(' ').ok_or("no number")?;
        right += usize::from((chance.parse::<f32>()? > 0.5) == *malignant);
        client.post(&format!("/label/{number}"), &i32::from(*malignant).to_string())?;
    }
    Ok(right)
}

fn demonstrate() -> Result<(), Failure> {
    const CLIENTS: usize = 8;
    const CLASSES: [&str; 2] = ["benign", "malignant"];
    let kinds = vec![("diagnosis".into(), Kind::Classes(CLASSES.map(String::from).into()))];
    let (x, y) = Table::open(FILE, &CsvOptions { kinds, ..Default::default() })?.split_target("diagnosis")?;
    let x = Standardizer::fit(&x)?.transform(&x)?;
    let text = |row: Tensor| -> Result<String> {
        Ok(row.to_vec::<f32>()?.iter().map(f32::to_string).collect::<Vec<_>>().join(","))
    };
    let rows = x.iter().zip(y.to_vec::<i64>()?).map(|(row, y)| Ok((text(row)?, y == 1)));
    let tumours = rows.collect::<Result<Vec<_>>>()?;

    let checkpoint = std::env::temp_dir().join(format!("online-{}.safetensors", std::process::id()));
    let (server, stop) = (Server::http("127.0.0.1:0")?, AtomicBool::new(false));
    let address = server.server_addr().to_ip().ok_or("no address")?;
    let sent = 2 * CLIENTS * tumours.len();
    let right = thread::scope(|scope| {
        let service = scope.spawn(|| serve(&server, &checkpoint, &stop));
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| ask(address, &tumours))).collect();
        let right: Result<usize, Failure> =
            clients.into_iter().map(|client| client.join().unwrap_or(Err("a client panicked".into()))).sum();
        stop.store(true, SeqCst);
        service.join().unwrap_or(Err("the service panicked".into()))?;
        right
    })?;
    let mut service = Service::new(&checkpoint)?;
    std::fs::remove_file(&checkpoint)?;
    println!(
        "{CLIENTS} clients sent {sent} requests; {} predictions, {} steps",
        service.asked, service.learned
    );
    let share = right as f64 / service.asked as f64;
    println!("{share:.2} of the predictions were right before their label was known");
    println!("after a restart: {}", service.predict(&tumours[0].0)?);
    assert_eq!((service.asked - 1 + service.learned, share > 0.9), (sent as u64, true));
    Ok(())
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if arguments.first().is_none_or(|first| first != "serve") {
        return demonstrate();
    }
    let port = arguments.get(1).map_or("8080", |port| port);
    let (server, stop) = (Server::http(format!("127.0.0.1:{port}"))?, Arc::new(AtomicBool::new(false)));
    let stopped = stop.clone();
    ctrlc::set_handler(move || stopped.store(true, SeqCst))?;
    println!("http://{}", server.server_addr());
    serve(&server, Path::new(CHECKPOINT), &stop)
}
