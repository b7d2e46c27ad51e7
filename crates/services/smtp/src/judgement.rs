//! The verdict on a message: at its header where that is all there is to know, else at its end. How it is reached is
//! the gate's, for every service the same.

use postern_gate::Known;
use postern_types::Refusal;

use crate::session::Session;

impl Session {
    /// Shows the collector the header, and judges it.
    pub(crate) async fn judge_header(&mut self) -> Result<Known, Refusal> {
        let Some(transaction) = &mut self.transaction else { return Ok(Known::Everything) };
        let Some(message) = &transaction.message else { return Ok(Known::Everything) };
        let policy = self.service.policy.load_full();
        let (header, trace) = (message.header.bytes(), transaction.trace);
        self.collector.judge_header(header, &mut transaction.recipients, &policy, trace).await
    }

    /// The verdict with everything known.
    pub(crate) async fn judge_message(&mut self) -> Result<(), Refusal> {
        let policy = self.service.policy.load_full();
        let Some(transaction) = &mut self.transaction else { return Ok(()) };
        let trace = transaction.trace;
        self.collector.judge_message(&mut transaction.recipients, &policy, trace).await
    }
}
