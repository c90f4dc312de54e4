#include "dataplane/bridge/http/ts_output.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <utility>

#include "dataplane/bridge/hub/rate_meter.h"
#include "dataplane/bridge/hub/unix_time.h"

namespace headgate::bridge::http {

using hub::TsChunk;

class TsOutput::Session final : public BodyStream {
 public:
  Session(TsOutput* output, std::shared_ptr<hub::OutputStats> stats)
      : output_(output), channel_(output->channel_), stats_(std::move(stats)) {
    ++stats_->sessions;
    ++stats_->sessions_total;
    begin();
  }
  ~Session() override {
    --stats_->sessions;
    if (output_ != nullptr) output_->leave(this);
  }

  void take(std::size_t limit, std::vector<Piece>& out) override {
    std::size_t size = 0;
    while (!queue_.empty() && size < limit) {
      const auto bytes = std::as_bytes(queue_.front().chunk->data());
      size += bytes.size();
      out.push_back({std::move(queue_.front().chunk), bytes});
      queue_.pop_front();
    }
    queued_bytes_ -= size;
  }
  bool ended() const override { return output_ == nullptr; }
  void on_ready(std::function<void()> call) override { ready_ = std::move(call); }
  void on_sent(std::size_t bytes) override {
    stats_->bytes += bytes;
    bytes_ += bytes;
    rate_.add(now_ns(), bytes);
  }
  void describe(hub::SessionInfo& out) const override {
    out.channel = channel_;
    out.protocol = "http-ts";
    out.role = "player";
    out.state = state_ == State::joining ? "waiting" : "playing";
    out.since_unix_ns = since_unix_ns_;
    out.bytes = bytes_;
    out.bitrate_bps = rate_.bits_per_second(now_ns());
    out.skipped = skipped_;
  }
  void stop() override {
    if (output_ != nullptr) output_->leave(this);
    output_ = nullptr;
    queue_.clear();
    queued_bytes_ = 0;
  }

  void on_chunk(const std::shared_ptr<const TsChunk>& chunk) {
    if (state_ == State::joining) {
      if (waiting_since_ == 0) waiting_since_ = chunk->arrival_ns;
      if (chunk->random_access) {
        begin();
      } else if (chunk->arrival_ns - waiting_since_ > kMaxFirstWait) {
        state_ = State::running;  // nobody knows whether one will come
      }
      if (state_ == State::joining) return;
      if (chunk->random_access && !queue_.empty()) return ready();
    }
    if (state_ == State::skipping) {
      if (!chunk->random_access) {
        lose(chunk->packets);
        return;
      }
      state_ = State::running;
    }
    push(chunk, chunk->arrival_ns);
    if (queued_bytes_ > limit_ || chunk->arrival_ns - queue_.front().queued_ns > max_wait_) skip();
    ready();
  }

  void end() {
    output_ = nullptr;
    ready();
  }

 private:
  enum class State : std::uint8_t { joining, running, skipping };
  struct Entry {
    std::shared_ptr<const TsChunk> chunk;
    std::int64_t queued_ns;
  };

  static std::int64_t now_ns() {
    return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
  }

  void lose(std::uint64_t packets) {
    stats_->skipped += packets;
    skipped_ += packets;
  }

  void ready() {
    if (ready_) ready_();
  }

  void begin() {
    const auto chunks = output_->feed_->start();
    if (chunks.empty()) return;
    state_ = State::running;
    for (const auto& chunk : chunks) push(chunk, chunks.back()->arrival_ns);
    limit_ = queued_bytes_ + kMaxQueue;
    max_wait_ = kMaxWait + std::max<std::int64_t>(0, chunks.back()->arrival_ns - chunks.front()->arrival_ns);
  }

  void push(const std::shared_ptr<const TsChunk>& chunk, std::int64_t now_ns) {
    queue_.push_back({chunk, now_ns});
    queued_bytes_ += chunk->data().size();
  }

  // Ahead to the last random access point that waits, or to the next that comes.
  void skip() {
    ++stats_->skips;
    std::size_t keep = queue_.size();
    while (keep > 1 && !queue_[keep - 1].chunk->random_access) --keep;
    const bool found = keep > 1;  // the first alone would change nothing
    const std::size_t drop = found ? keep - 1 : queue_.size();
    for (std::size_t i = 0; i < drop; ++i) {
      lose(queue_.front().chunk->packets);
      queued_bytes_ -= queue_.front().chunk->data().size();
      queue_.pop_front();
    }
    limit_ = kMaxQueue;
    max_wait_ = kMaxWait;
    const std::int64_t now = found ? queue_.back().chunk->arrival_ns : 0;
    if (found && now - queue_.front().queued_ns <= kMaxWait && queued_bytes_ <= limit_) return;
    for (const Entry& entry : queue_) lose(entry.chunk->packets);
    queue_.clear();
    queued_bytes_ = 0;
    state_ = State::skipping;
  }

  TsOutput* output_;
  const std::string channel_;
  std::shared_ptr<hub::OutputStats> stats_;
  std::deque<Entry> queue_;
  std::size_t queued_bytes_ = 0;
  std::size_t limit_ = kMaxQueue;
  std::int64_t max_wait_ = kMaxWait;
  std::int64_t waiting_since_ = 0;
  State state_ = State::joining;
  const std::int64_t since_unix_ns_ = hub::unix_now_ns();
  std::uint64_t bytes_ = 0;
  std::uint64_t skipped_ = 0;
  hub::RateMeter rate_;
  std::function<void()> ready_;
};

TsOutput::TsOutput(hub::TsFeed& feed, std::string channel, std::shared_ptr<hub::OutputStats> stats)
    : feed_(&feed), channel_(std::move(channel)), stats_(std::move(stats)) {
  feed.add(this);
}

TsOutput::~TsOutput() {
  end();
  if (feed_ != nullptr) feed_->remove(this);
}

std::shared_ptr<BodyStream> TsOutput::open() {
  if (feed_ == nullptr) return nullptr;
  auto session = std::make_shared<Session>(this, stats_);
  sessions_.push_back(session.get());
  return session;
}

void TsOutput::end() {
  for (Session* session : std::exchange(sessions_, {})) session->end();
}

void TsOutput::leave(Session* session) { std::erase(sessions_, session); }

void TsOutput::on_chunk(const std::shared_ptr<const TsChunk>& chunk) {
  for (Session* session : sessions_) session->on_chunk(chunk);
}

void TsOutput::on_end() {
  feed_ = nullptr;
  end();
}

}  // namespace headgate::bridge::http
