//! `entopic scheduler` and `entopic executor`: queries on several machines, by Ballista.
//!
//! Ballista ships plans and no functions, so all three parts of a cluster register them: the client and the scheduler to
//! plan queries, executors to run them. Only executors load models.

use std::path::PathBuf;
use std::sync::Arc;

use ballista::prelude::SessionContextExt;
use ballista_core::error::BallistaError;
use ballista_core::registry::BallistaFunctionRegistry;
use ballista_core::utils::default_session_builder;
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::SchedulerConfig;
use ballista_scheduler::scheduler_process::start_server;
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::logical_expr::registry::FunctionRegistry;
use datafusion::prelude::{SessionConfig, SessionContext};
use entopic_datafusion::Functions;
use tracing::level_filters::LevelFilter;

use crate::args::{ExecutorArgs, SchedulerArgs};
use crate::failure::Failure;
use crate::{load, sql};

/// Seconds between signs of life of an executor.
const HEARTBEAT: u64 = 2;

/// Seconds without a sign of life after which an executor is taken for lost, and its work is given to others.
const LOST: u64 = 15;

/// Seconds that an executor looks for its scheduler.
const CONNECT: u16 = 60;

pub(crate) fn scheduler(args: &SchedulerArgs) -> Result<(), Failure> {
    sql::log_at(LevelFilter::INFO);
    let config = SchedulerConfig {
        bind_host: args.listen.ip().to_string(),
        bind_port: args.listen.port(),
        external_host: args.external_host.clone().unwrap_or_else(|| args.listen.ip().to_string()),
        executor_timeout_seconds: LOST,
        expire_dead_executor_interval_seconds: HEARTBEAT,
        override_session_builder: Some(Arc::new(planning)),
        ..SchedulerConfig::default()
    };
    sql::runtime()?
        .block_on(async {
            let cluster = BallistaCluster::new_from_config(&config).await?;
            start_server(cluster, args.listen, Arc::new(config)).await
        })
        .map_err(|error| failed("the scheduler", &error))
}

pub(crate) fn executor(args: &ExecutorArgs) -> Result<(), Failure> {
    let tagger = load::tagger(&args.models)?;
    sql::log_at(LevelFilter::INFO);
    let mut registry = BallistaFunctionRegistry::default();
    for function in Functions::new(tagger).strict(args.strict).all() {
        registry.scalar_functions.insert(function.name().to_owned(), Arc::new(function));
    }
    let work = WorkFolder::new(args.work_dir.clone())?;
    let (scheduler_host, scheduler_port) = address_of(&args.scheduler)?;
    let threads = match args.models.run.threads {
        Some(threads) => threads.get(),
        None => std::thread::available_parallelism().map_or(1, usize::from),
    };
    let config = ExecutorProcessConfig {
        bind_host: args.listen.ip().to_string(),
        external_host: args.external_host.clone().or_else(|| Some(args.listen.ip().to_string())),
        port: args.listen.port(),
        grpc_port: args.control_port.unwrap_or(args.listen.port().wrapping_add(1)),
        scheduler_host,
        scheduler_port,
        scheduler_connect_timeout_seconds: CONNECT,
        vcores: threads,
        work_dir: Some(work.name()),
        executor_heartbeat_interval_seconds: HEARTBEAT,
        override_function_registry: Some(Arc::new(registry)),
        ..ExecutorProcessConfig::default()
    };
    let ended = sql::runtime()?.block_on(start_executor_process(Arc::new(config)));
    ended.map_err(|error| failed("the executor", &error))
}

/// A context whose queries run on the cluster of `scheduler`.
pub(crate) async fn context(scheduler: &str) -> Result<SessionContext, Failure> {
    let (host, port) = address_of(scheduler)?;
    let context = SessionContext::remote(&format!("df://{host}:{port}")).await;
    let context = context.map_err(|error| sql::failure(&error))?;
    Functions::for_planning().register(&context);
    Ok(context)
}

/// The state of a session of the scheduler, which plans queries and does not run them.
fn planning(config: SessionConfig) -> Result<SessionState, DataFusionError> {
    let mut state = default_session_builder(config)?;
    for function in Functions::for_planning().all() {
        state.register_udf(Arc::new(function))?;
    }
    Ok(state)
}

/// Host and port of `HOST:PORT`.
fn address_of(scheduler: &str) -> Result<(String, u16), Failure> {
    let parts = scheduler.rsplit_once(':');
    let parts = parts.and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
    parts.filter(|(host, _)| !host.is_empty()).ok_or_else(|| {
        Failure::new(format!("--scheduler {scheduler:?} is no HOST:PORT, such as localhost:50050"))
    })
}

/// The folder of an executor's parts of results, which goes with the process unless the user named it.
enum WorkFolder {
    Named(PathBuf),
    Temporary(tempfile::TempDir),
}

impl WorkFolder {
    fn new(named: Option<PathBuf>) -> Result<Self, Failure> {
        if let Some(folder) = named {
            return Ok(Self::Named(folder));
        }
        let folder = tempfile::tempdir();
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

fn failed(part: &str, error: &BallistaError) -> Failure {
    Failure::because(format!("{part} failed"), error)
}
