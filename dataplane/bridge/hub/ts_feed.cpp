#include "dataplane/bridge/hub/ts_feed.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

#include "dataplane/bridge/hub/ts_tables.h"

namespace headgate::bridge::hub {

using mpegts::TsPacket;

struct TsFeed::Impl {
  void keep(const std::shared_ptr<const TsChunk>& chunk, TsTables::Mark&& before);
  void forget() {
    cache.clear();
    cached_bytes = 0;
    front.clear();
  }

  TsTables tables;
  std::vector<TsSink*> sinks;
  std::deque<std::shared_ptr<const TsChunk>> cache;  // begins with a random access point
  std::size_t cached_bytes = 0;
  TsTables::Mark before_cache;                                // the tables as of the cache's begin
  mutable std::vector<std::shared_ptr<const TsChunk>> front;  // made of them when first wanted
  bool gap = false;
  std::optional<std::int64_t> offset;  // ring::Slot's, of the slot before
};

namespace {

std::vector<std::shared_ptr<const TsChunk>> chunks_of(std::span<const std::uint8_t> packets,
                                                      std::int64_t arrival_ns) {
  std::vector<std::shared_ptr<const TsChunk>> chunks;
  while (!packets.empty()) {
    const std::size_t size = std::min(packets.size(), TsChunk::kMaxPackets * mpegts::kPacketSize);
    auto chunk = std::make_shared<TsChunk>();
    chunk->packets = static_cast<std::uint8_t>(size / mpegts::kPacketSize);
    chunk->arrival_ns = arrival_ns;
    std::copy_n(packets.begin(), size, chunk->bytes.begin());
    chunks.push_back(std::move(chunk));
    packets = packets.subspan(size);
  }
  return chunks;
}

constexpr std::uint8_t kDiscontinuityIndicator = 0x80;  // 2.4.3.4

// The clock that drives the channel's timeline jumped in this slot: where its source has not said so, the
// packet says it (2.4.3.5), or players would see it go back. That clock's latest PCR is in the slot's times.
void announce_jump(TsChunk& chunk, const ring::Slot& slot) {
  constexpr auto kTurn = static_cast<std::int64_t>(mpegts::kPcrModulus);
  const auto value = static_cast<std::uint64_t>(((slot.timeline - slot.offset) % kTurn + kTurn) % kTurn);
  std::optional<mpegts::Pid> pid;
  for (std::size_t i = chunk.packets; i-- > 0 && !pid;) {
    const TsPacket packet(chunk.data().subspan(i * mpegts::kPacketSize).first<mpegts::kPacketSize>());
    if (const auto pcr = packet.pcr(); packet.has_sync() && pcr && pcr->ticks == value) pid = packet.pid();
  }
  for (std::size_t i = 0; i < chunk.packets && pid; ++i) {
    const TsPacket packet(chunk.data().subspan(i * mpegts::kPacketSize).first<mpegts::kPacketSize>());
    if (!packet.has_sync() || packet.pid() != *pid || !packet.has_pcr()) continue;
    std::uint8_t& flags = chunk.bytes[i * mpegts::kPacketSize + 5];
    flags = static_cast<std::uint8_t>(flags | kDiscontinuityIndicator);
    return;
  }
}

}  // namespace

void TsFeed::Impl::keep(const std::shared_ptr<const TsChunk>& chunk, TsTables::Mark&& before) {
  if (chunk->random_access) {
    forget();
    before_cache = std::move(before);
  } else if (cache.empty()) {
    return;
  }
  cache.push_back(chunk);
  cached_bytes += chunk->data().size();
  if (cached_bytes > kMaxCachedBytes || chunk->arrival_ns - cache.front()->arrival_ns > kMaxCachedTime)
    forget();
}

TsFeed::TsFeed() : impl_(std::make_unique<Impl>()) {}
TsFeed::~TsFeed() { end(nullptr); }

void TsFeed::on_slot(const ring::Slot& slot) {
  if ((slot.flags & ring::kSlotGap) != 0) on_gap();
  auto chunk = std::make_shared<TsChunk>();
  const std::size_t count = std::min<std::size_t>(slot.packet_count, TsChunk::kMaxPackets);
  chunk->packets = static_cast<std::uint8_t>(count);
  chunk->arrival_ns = slot.arrival_ns;
  chunk->gap = std::exchange(impl_->gap, false);
  std::copy_n(slot.packets.begin(), count * mpegts::kPacketSize, chunk->bytes.begin());
  if ((slot.flags & ring::kSlotTimeline) != 0) {
    const auto before_it = std::exchange(impl_->offset, slot.offset);
    if (before_it && *before_it != slot.offset) announce_jump(*chunk, slot);
  }
  TsTables::Mark before;
  for (std::size_t i = 0; i < count; ++i) {
    const TsPacket packet(std::span<const std::uint8_t, mpegts::kPacketSize>(
        chunk->bytes.data() + i * mpegts::kPacketSize, mpegts::kPacketSize));
    if (!packet.has_sync()) continue;
    if (!chunk->random_access && impl_->tables.begins_random_access(packet)) {
      chunk->random_access = true;
      // Tables of this chunk that stand before it count as sent: what is put in front ends before them.
      before = impl_->tables.mark();
      for (std::size_t k = 0; k < i; ++k) {
        TsTables::rewind(
            before, TsPacket(chunk->data().subspan(k * mpegts::kPacketSize).first<mpegts::kPacketSize>()));
      }
    }
    impl_->tables.on_packet(packet);
  }
  impl_->keep(chunk, std::move(before));
  for (TsSink* sink : impl_->sinks) sink->on_chunk(chunk);
}

void TsFeed::on_gap() {
  impl_->gap = true;
  impl_->tables.on_gap();
  impl_->forget();
}

void TsFeed::add(TsSink* sink) { impl_->sinks.push_back(sink); }
void TsFeed::remove(TsSink* sink) { std::erase(impl_->sinks, sink); }

void TsFeed::end(const TsSink* except) {
  std::vector<TsSink*> ended;
  std::erase_if(impl_->sinks, [&](TsSink* sink) {
    if (sink == except) return false;
    ended.push_back(sink);
    return true;
  });
  for (TsSink* sink : ended) sink->on_end();
}

std::vector<std::shared_ptr<const TsChunk>> TsFeed::start() const {
  if (impl_->cache.empty()) return {};
  if (impl_->front.empty()) {
    impl_->front = chunks_of(TsTables::packets(impl_->before_cache), impl_->cache.front()->arrival_ns);
  }
  std::vector<std::shared_ptr<const TsChunk>> chunks = impl_->front;
  chunks.insert(chunks.end(), impl_->cache.begin(), impl_->cache.end());
  return chunks;
}

}  // namespace headgate::bridge::hub
