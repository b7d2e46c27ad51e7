//! The lists that people keep in the store (`postern list`), as the gate takes them.

use postern_gate::{NetworkList, SenderList, Settings};
use postern_store::{ListKind, ListOwner, Store, StoreError, Subject};
use postern_types::{AddressSet, Timestamp};

/// Everybody's lists.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lists {
    allow: NetworkList,
    block: NetworkList,
    senders: SenderList,
    /// Hosts that later stages have caught.
    pub(crate) feedback: AddressSet,
}

/// The lists' name in evidence.
const NAME: &str = "postern list";

impl Lists {
    /// Reads what has not ended by now.
    pub(crate) async fn load(store: &Store) -> Result<Self, StoreError> {
        let now = Timestamp::now();
        let named = || NetworkList { name: NAME.into(), ..NetworkList::default() };
        let mut lists = Self {
            allow: named(),
            block: named(),
            senders: SenderList { name: NAME.into(), ..SenderList::default() },
            feedback: store.listed_networks(ListKind::Feedback, now).await?,
        };
        let everybody = || Some(ListOwner::Everybody);
        for entry in store.listed(ListKind::Allow, everybody(), now).await? {
            if let Subject::Network(network) = entry.subject {
                lists.allow.entries.push(network);
            }
        }
        for entry in store.listed(ListKind::Block, everybody(), now).await? {
            match entry.subject {
                Subject::Network(network) => lists.block.entries.push(network),
                sender @ (Subject::Address(_) | Subject::Domain(_)) => {
                    lists.senders.entries.push(sender.to_string());
                }
            }
        }
        Ok(lists)
    }

    /// The gate's settings with these lists beside those of the configuration.
    pub(crate) fn with(&self, mut settings: Settings) -> Settings {
        settings.allow.push(self.allow.clone());
        settings.block.push(self.block.clone());
        settings.blocked_senders.push(self.senders.clone());
        settings
    }
}
