//! `apim-dr operations list`, `show`.

use std::sync::Arc;

use super::{args::Output, exit::Exit, print, story};
use crate::{app::App, domain::OperationId, ports::RecordsError, view::OperationView};

pub(super) async fn list(app: &Arc<App>, limit: usize, output: Output) -> anyhow::Result<Exit> {
    let journal = &app.ports().journal;
    let mut operations = Vec::new();
    for id in journal.operations(limit).await? {
        match journal.last(id).await {
            Ok(entry) => operations.extend(entry.map(|entry| entry.operation)),
            // One that cannot be read must not hide the others.
            Err(error @ RecordsError::Corrupt { .. }) => eprintln!("warning: {error}"),
            Err(error) => return Err(error.into()),
        }
    }
    match output {
        Output::Json => {
            let views: Vec<_> = operations.iter().map(OperationView::from).collect();
            print(&serde_json::to_string_pretty(&views)?)
        }
        Output::Table if operations.is_empty() => print("no operations are recorded"),
        Output::Table => print(&story::table(&operations)),
    }
}

pub(super) async fn show(app: &Arc<App>, id: OperationId, output: Output) -> anyhow::Result<Exit> {
    let entries = app.ports().journal.entries(id).await?;
    let Some(last) = entries.last() else {
        eprintln!("error: there is no operation {id} in the records");
        return Ok(Exit::NotFound);
    };
    match output {
        Output::Json => print(&serde_json::to_string_pretty(&OperationView::from(&last.operation))?),
        Output::Table => print(&story::whole(&entries, &last.operation)),
    }
}
