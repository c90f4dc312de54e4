// The sending thread: takes callers in (publishers go on to the receiving thread), calls the targets of
// pushes, hands each receiver its channel's messages at a fixed cadence, watches progress and reads libsrt's
// figures. Chunks come from the hub's thread through an inbox under a short lock; the cadence, not each
// chunk, wakes this thread, and messages carry the time at which they came, so that receivers see nothing of
// it. References: libsrt API (srt_sendmsg2, srt_bistats). Threading: the public members are thread-safe
// except start() and stop().
#pragma once

#include <srt/srt.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <variant>
#include <vector>

#include "dataplane/bridge/push/push.h"
#include "dataplane/bridge/srt/budget.h"
#include "dataplane/bridge/srt/cursor.h"
#include "dataplane/bridge/srt/dialer.h"
#include "dataplane/bridge/srt/gate.h"
#include "dataplane/bridge/srt/listener.h"
#include "dataplane/bridge/srt/message_queue.h"
#include "dataplane/bridge/srt/server.h"

namespace headgate::bridge::srt {

class Worker {
 public:
  static constexpr std::int64_t kCadence = 5'000;  // us
  static constexpr std::size_t kMaxInbox = 64 * 1024;

  using PushId = std::uint64_t;

  // What others are asked for: the hub's thread, and the receiving thread (publish).
  struct Hub {
    std::function<void(std::uint64_t session, std::string channel)> join;
    std::function<void(std::string channel)> leave;
    std::function<void(SRTSOCKET socket, Admission admission)> publish;
  };

  Worker(Hub hub, std::shared_ptr<Gate> gate, Gate::Say say, Resolver& resolver, const Limits& limits);
  ~Worker();
  void start();
  void stop();

  void set_listeners(std::vector<std::shared_ptr<Listener>> listeners);
  // `feed`: of the channel as long as it has sessions; unknown ones are thrown away.
  void add_chunk(std::uint32_t feed, Chunk chunk, std::int64_t source_us);
  void join(std::uint64_t session, std::uint32_t feed, std::vector<Chunk> begin);
  void revoke(std::uint64_t session);  // its channel is gone
  void kick(std::uint64_t session);
  void recheck();  // the gate's table changed
  // Sends the chunks of `feed`, which no other push has, as long as it is connected: `live`.
  void add_push(PushId push, std::uint32_t feed, CallTarget target, std::shared_ptr<std::atomic<bool>> live);
  void remove_push(PushId push);
  push::PushStatus push_status(PushId push) const;
  void wake();
  Stats stats() const;

 private:
  struct NewChunk {
    std::uint32_t feed;
    Chunk chunk;
    std::int64_t source_us;
  };
  struct Join {
    std::uint64_t session;
    std::uint32_t feed;
    std::vector<Chunk> begin;
  };
  struct Revoke {
    std::uint64_t session;
  };
  struct Kick {
    std::uint64_t session;
  };
  struct Recheck {};
  struct AddPush {
    PushId push;
    std::uint32_t feed;
    CallTarget target;
    std::shared_ptr<std::atomic<bool>> live;
  };
  struct RemovePush {
    PushId push;
  };
  using Item = std::variant<NewChunk, Join, Revoke, Kick, Recheck, AddPush, RemovePush>;
  struct Session;
  struct PushTask;
  struct Feed {
    MessageQueue queue;
    std::size_t sessions = 0;
  };

  void run();
  std::vector<Item> wait();
  void take(Item& item);
  void take_join(Join& item);
  void take_push(AddPush& item);
  void drop_push(PushId push);
  void step_pushes(std::int64_t now_us);
  void open_push(PushTask& task, std::int64_t now_us);
  void lose_push(Session& session);
  void tell(PushTask& task);
  std::int64_t push_pause() const;  // until one has something to do; -1: there is none
  void check_secrets();
  void accept_all();
  void accept_from(Listener& listener);
  void forget_old_admissions();
  void open_session(SRTSOCKET socket, const sockaddr* peer, Admission admission);
  void send_all();
  void send(Session& session, Feed& feed, std::int64_t now_us);
  void look_after_all(std::int64_t now_us);
  void look_after(Session& session, std::int64_t now_us);
  void close_finished();
  void finish(Session& session, std::string why);
  void measure(Session& session, const SRT_TRACEBSTATS& figures);
  void count_sessions();
  void publish();

  Hub hub_;
  std::shared_ptr<Gate> gate_;
  Gate::Say say_;
  Resolver& resolver_;
  const Limits limits_;
  std::thread thread_;

  mutable std::mutex mutex_;
  std::condition_variable wakeup_;
  bool idle_ = true;
  bool stop_ = false;
  bool woken_ = false;
  std::vector<Item> inbox_;
  std::uint64_t lost_chunks_ = 0;
  std::vector<std::shared_ptr<Listener>> listeners_;
  Stats published_;
  std::map<PushId, push::PushStatus> push_status_;

  // Of the thread.
  std::map<std::uint64_t, std::unique_ptr<Session>> sessions_;
  std::map<PushId, std::unique_ptr<PushTask>> pushes_;
  std::unordered_map<std::uint32_t, Feed> feeds_;
  std::vector<Admission> admissions_;
  std::map<std::string, ChannelTotals> ended_;  // of sessions that are over
  std::int64_t looked_after_us_ = 0;
  std::uint64_t accepted_ = 0;
  std::uint64_t stalled_ = 0;
  std::uint64_t revoked_ = 0;
  std::size_t pushing_ = 0;  // sessions that are pushes
  bool finished_ = false;    // a session waits for close_finished()
};

}  // namespace headgate::bridge::srt
