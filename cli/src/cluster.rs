//! `entopic scheduler` and `entopic executor`: queries on several machines, by Ballista.
//!
//! Ballista ships plans and no functions, so all three parts of a cluster register them: the client and the scheduler
//! to plan queries, executors to run them. Only executors load models.

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

use ballista::prelude::SessionContextExt;
use ballista_core::error::BallistaError;
use ballista_core::registry::BallistaFunctionRegistry;
use ballista_core::utils::{default_config_producer, default_session_builder};
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::SchedulerConfig;
use ballista_scheduler::scheduler_process::start_server;
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::registry::FunctionRegistry;
use datafusion::prelude::{SessionConfig, SessionContext};
use entopic_datafusion::{Functions, planning_functions};
use tracing::level_filters::LevelFilter;

use crate::args::query::{ExecutorArgs, SchedulerArgs};
use crate::failure::Failure;
use crate::{load, query, stop};

/// Seconds between signs of life of an executor.
const HEARTBEAT: u64 = 2;

/// Seconds without a sign of life after which an executor is taken for lost, and its work is given to others.
const LOST: u64 = 15;

/// Seconds that an executor looks for its scheduler.
const CONNECT: u16 = 60;

/// The threads of a scheduler, which only plans.
const PLANNERS: usize = 2;

pub(crate) fn scheduler(args: &SchedulerArgs) -> Result<(), Failure> {
    let ip = args.listen.ip();
    let external_host = match &args.external_host {
        Some(host) => host.clone(),
        None if ip.is_unspecified() => {
            return Err(Failure::new(format!(
                "--listen {} needs --external-host: the name under which executors reach this machine",
                args.listen
            )));
        }
        None => host(ip),
    };
    check_free(args.listen)?;
    query::log_at(LevelFilter::INFO);
    let config = SchedulerConfig {
        bind_host: host(ip),
        bind_port: args.listen.port(),
        external_host,
        executor_timeout_seconds: LOST,
        expire_dead_executor_interval_seconds: HEARTBEAT,
        override_session_builder: Some(Arc::new(|config| state(config, planning_functions()))),
        ..SchedulerConfig::default()
    };
    let serve = async {
        let cluster = BallistaCluster::new_from_config(&config).await?;
        start_server(cluster, args.listen, Arc::new(config)).await
    };
    query::runtime(PLANNERS)?.block_on(async {
        tokio::select! {
            served = serve => ended("the scheduler", served),
            () = stop::asked_to_end() => Ok(()),
        }
    })
}

pub(crate) fn executor(args: &ExecutorArgs) -> Result<(), Failure> {
    let (scheduler_host, scheduler_port) = address_of(&args.scheduler)?;
    let control = control_of(args)?;
    check_free(args.listen)?;
    check_free(control)?;
    let work = WorkFolder::new(args.work_dir.clone())?;
    let tagger = load::tagger(&args.models)?;
    query::log_at(LevelFilter::INFO);
    let functions = Functions::new(tagger).strict(args.strict).all();
    let registry = state(default_config_producer(), functions).map_err(|error| query::failure(&error))?;
    let threads = args.models.run.threads();
    let ip = args.listen.ip();
    // Without a name, the scheduler takes the address from which the executor calls.
    let own_host = (!ip.is_unspecified()).then(|| host(ip));
    let config = ExecutorProcessConfig {
        bind_host: host(ip),
        external_host: args.external_host.clone().or(own_host),
        port: args.listen.port(),
        grpc_port: control.port(),
        scheduler_host,
        scheduler_port,
        scheduler_connect_timeout_seconds: CONNECT,
        vcores: threads,
        work_dir: Some(work.name()),
        executor_heartbeat_interval_seconds: HEARTBEAT,
        override_function_registry: Some(Arc::new(BallistaFunctionRegistry::from(&registry))),
        ..ExecutorProcessConfig::default()
    };
    query::runtime(threads)?.block_on(async {
        // Ballista ends in order when it is asked to, and that is no failure.
        let asked = tokio::spawn(stop::asked_to_end());
        let served = start_executor_process(Arc::new(config)).await;
        if served.is_ok() && asked.is_finished() {
            return Ok(());
        }
        ended("the executor", served)
    })
}

/// The end of a part of a cluster that nobody asked to end.
fn ended(part: &str, served: Result<(), BallistaError>) -> Result<(), Failure> {
    Err(match served {
        Ok(()) => Failure::new(format!("{part} ended; see its log")),
        Err(error) => Failure::because(format!("{part} failed"), &error),
    })
}

/// A context whose queries run on the cluster of `scheduler`.
pub(crate) async fn context(scheduler: &str) -> Result<SessionContext, Failure> {
    let (host, port) = address_of(scheduler)?;
    TcpStream::connect(format!("{host}:{port}"))
        .map_err(|error| Failure::because(format!("the scheduler {scheduler} cannot be reached"), &error))?;
    let context = SessionContext::remote(&format!("df://{host}:{port}")).await;
    let context = context.map_err(|error| query::failure(&error))?;
    for function in planning_functions() {
        context.register_udf(function);
    }
    let state = context.state_ref();
    let mut state = state.write();
    let config = state.config_mut();
    *config = config.clone().with_batch_size(query::BATCH);
    drop(state);
    Ok(context)
}

/// The state of a session with these functions next to Ballista's.
fn state(config: SessionConfig, functions: Vec<ScalarUDF>) -> Result<SessionState, DataFusionError> {
    let mut state = default_session_builder(config)?;
    for function in functions {
        state.register_udf(Arc::new(function))?;
    }
    Ok(state)
}

/// The address for the scheduler's requests to an executor.
fn control_of(args: &ExecutorArgs) -> Result<SocketAddr, Failure> {
    let port = args.control_port.or_else(|| args.listen.port().checked_add(1));
    match port {
        Some(port) => Ok(SocketAddr::new(args.listen.ip(), port)),
        None => Err(Failure::new(format!(
            "no port follows that of --listen {}; name one with --control-port",
            args.listen
        ))),
    }
}

/// Fails if it cannot listen on an address. Ballista would only log that.
fn check_free(address: SocketAddr) -> Result<(), Failure> {
    if address.port() == 0 {
        return Err(Failure::new(format!("{address} has no port; name one, since others must know it")));
    }
    TcpListener::bind(address)
        .map(drop)
        .map_err(|error| Failure::because(format!("the command cannot listen on {address}"), &error))
}

/// An address as a part of a URL.
fn host(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// Host and port of `HOST:PORT`.
fn address_of(scheduler: &str) -> Result<(String, u16), Failure> {
    let parts = scheduler.rsplit_once(':');
    let parts = parts.and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
    parts.filter(|(host, _)| !host.is_empty()).ok_or_else(|| {
        Failure::new(format!("--scheduler {scheduler:?} is not HOST:PORT, such as localhost:50050"))
    })
}

/// The folder of an executor's parts of results, which is deleted in the end unless the user named it.
enum WorkFolder {
    Named(PathBuf),
    Temporary(tempfile::TempDir),
}

impl WorkFolder {
    fn new(named: Option<PathBuf>) -> Result<Self, Failure> {
        if let Some(folder) = named {
            return Ok(Self::Named(folder));
        }
        let folder = tempfile::Builder::new().prefix("entopic-executor-").tempdir();
        folder.map(Self::Temporary).map_err(|error| {
            Failure::because("a folder for parts of results cannot be made; name one with --work-dir", &error)
        })
    }

    fn name(&self) -> String {
        let path = match self {
            Self::Named(folder) => folder.as_path(),
            Self::Temporary(folder) => folder.path(),
        };
        path.display().to_string()
    }
}
