//! What the keeper tells the writer: that a key is gone, so that the record says it too; and what lies in old segments.
//!
//! Lists and a bell instead of a channel: each of the two threads may have to wait for the other's queue, and neither may
//! wait for both. What is not recorded when the process ends stands in the key ring, and the next start records it.

use crate::keeper::Answer;
use crate::moving::News;
use model::record::KeyDestruction;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use world::channel::{Receiver, Sender, bounded};

/// A key that was destroyed, and who waits for its frame.
pub(crate) struct Destroyed {
    pub(crate) destruction: KeyDestruction,
    pub(crate) answers: Vec<Answer<()>>,
}

/// The keeper's end.
#[derive(Clone)]
pub(crate) struct Notices {
    waiting: Arc<Mutex<Waiting>>,
    bell: Sender<()>,
}

#[derive(Default)]
struct Waiting {
    destroyed: Vec<Destroyed>,
    /// One answer at most, and what was closed since the writer looked.
    news: VecDeque<News>,
}

/// The writer's end.
pub(crate) struct NoticeBoard {
    waiting: Arc<Mutex<Waiting>>,
    pub(crate) bell: Receiver<()>,
}

pub(crate) fn notices() -> (Notices, NoticeBoard) {
    let (bell, rung) = bounded(1);
    let waiting = Arc::<Mutex<Waiting>>::default();
    (Notices { waiting: waiting.clone(), bell }, NoticeBoard { waiting, bell: rung })
}

impl Notices {
    pub(crate) fn tell(&self, destroyed: Vec<Destroyed>) {
        if destroyed.is_empty() {
            return;
        }
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).destroyed.extend(destroyed);
        // Where it rings already, or nobody is there any more, there is nothing to add.
        let _ = self.bell.try_send(());
    }

    pub(crate) fn tell_news(&self, news: News) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).news.push_back(news);
        let _ = self.bell.try_send(());
    }
}

impl NoticeBoard {
    pub(crate) fn take(&self) -> Vec<Destroyed> {
        std::mem::take(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner).destroyed)
    }

    pub(crate) fn next_news(&self) -> Option<News> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).news.pop_front()
    }
}
