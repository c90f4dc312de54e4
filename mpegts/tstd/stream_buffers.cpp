#include "mpegts/tstd/stream_buffers.h"

#include <algorithm>
#include <cstdlib>

#include "mpegts/pes/stream_id.h"

namespace headgate::mpegts {
namespace {

constexpr std::int64_t kFarthest = 65 * kTicksPerSecond;  // still pictures stay for 60 s
constexpr std::string_view kNoUnit = "no access unit with a time came";
constexpr std::size_t kTimesIn = 19;  // bytes of a PES header that parse() wants to see at most

void add(std::optional<TstdBuffer>& to, const TstdBuffer& more) {
  if (!to) to.emplace();
  to->size = more.size;
  to->most = std::max(to->most, more.most);
  to->overflows += more.overflows;
}

}  // namespace

StreamBuffers::StreamBuffers(PmtStream stream, std::size_t& pes_bytes)
    : stream_(std::move(stream)),
      kind_(stream_kind(stream_)),
      longest_stay_(longest_stay_ticks(stream_)),
      times_(make_unit_times(stream_)),
      pes_bytes_(pes_bytes) {
  if (times_ == nullptr && is_audio(kind_)) {
    limits_ = audio_stream_limits(stream_, std::nullopt);
    if (limits_->leak != 0) transport_ = TransportBuffer(limits_->leak);
  }
}

StreamBuffers::~StreamBuffers() { pes_bytes_ -= pes_.size(); }

// What is there of a PES packet says nothing; the next one begins anew.
void StreamBuffers::interrupt() {
  pes_bytes_ -= pes_.size();
  pes_.clear();
  parts_.clear();
  header_.reset();
  in_pes_ = false;
  if (!anew_) ++counts_.restarts;
  anew_ = true;
  if (times_) times_->restart();
}

void StreamBuffers::begin_pes() {
  pes_bytes_ -= pes_.size();
  pes_.clear();
  parts_.clear();
  header_.reset();
  in_pes_ = true;
  pes_position_ = position_;
}

void StreamBuffers::end_pes(const ProgramTime& time) {
  if (!in_pes_ || !header_ || pes_.size() < header_->payload_offset) return interrupt();
  TimedPes pes;
  pes.payload = std::span<const std::uint8_t>(pes_).subspan(header_->payload_offset);
  pes.position = pes_position_;
  if (header_->pts) pes.pts = time.unroll(*header_->pts);
  if (header_->dts) pes.dts = time.unroll(*header_->dts);
  // Of another clock, or none.
  for (const auto& stamp : {pes.pts, pes.dts}) {
    if (!stamp || std::abs(*stamp - time.now()) <= kFarthest) continue;
    why_not_ = "its times are not of its program's clock";
    return interrupt();
  }
  pes.parts = parts_;
  if (!times_->on_pes(pes, units_) || units_.size() > kMostUnits) return interrupt();
  if (!units_.empty()) horizon_ = units_.back().tick;
  take_limits();
}

void StreamBuffers::take_limits() {
  const auto limits = times_->limits();
  if (!limits || limits == limits_) return;
  if (limits_) {
    carry_over();
    queue_.clear();
    units_.clear();
    horizon_.reset();
    interrupt();
  }
  limits_ = limits;
  transport_ = TransportBuffer(std::max<std::uint32_t>(1, limits_->leak));
  audio_ = AudioBuffer(limits_->main);
  video_ = VideoBuffers(limits_->multiplexing, limits_->main, limits_->main_leak);
  running_ = false;
}

// What was counted with other sizes.
void StreamBuffers::carry_over() {
  counts_ = info();
  transport_gauge_ = FillGauge(TransportBuffer::kBytes);
}

StreamPacket StreamBuffers::on_packet(const TsPacket& packet, std::uint64_t number, bool duplicate, bool lost,
                                      const ProgramTime& time) {
  StreamPacket out;
  out.number = number;
  if (!times_ || !given_up_.empty()) return out;
  if (lost) interrupt();
  if (packet.scrambling_control() != 0) {
    why_not_ = "scrambled";
    interrupt();
    return out;
  }
  const auto payload = packet.payload();
  if (duplicate || payload.empty()) return out;
  if (packet.payload_unit_start()) {
    if (in_pes_) end_pes(time);
    begin_pes();
  } else if (!in_pes_) {
    return out;
  }
  const std::size_t before = pes_.size();
  if (before + payload.size() > kMostPes || pes_bytes_ + payload.size() > kMostPesInAll) {
    interrupt();
    return out;
  }
  pes_.insert(pes_.end(), payload.begin(), payload.end());
  pes_bytes_ += payload.size();
  if (!header_) header_ = PesHeader::parse(pes_);
  if (header_ ? header_->scrambled || !has_optional_header(header_->stream_id) : pes_.size() >= kTimesIn) {
    interrupt();
    return out;
  }
  if (anew_ && packet.payload_unit_start()) {
    out.restart = true;
    anew_ = false;
  }
  const std::size_t header_end = header_ ? header_->payload_offset : pes_.size();
  const std::size_t header = header_end > before ? std::min(header_end - before, payload.size()) : 0;
  out.header = static_cast<std::uint8_t>(header);
  out.payload = static_cast<std::uint8_t>(payload.size() - header);
  out.position = position_;
  position_ += out.payload;
  if (out.payload > 0) parts_.push_back({before + header - header_end, number});
  return out;
}

void StreamBuffers::arrive(const StreamPacket& packet, std::int64_t tick, std::int64_t duration) {
  if (limits_ && limits_->leak == 0) return;
  if (queue_.size() >= kMostQueued) {
    if (limits_) return give_up("its times lie far behind the PCR");
    queue_.pop_front();
  }
  queue_.push_back({packet, tick, duration});
  timed_ = true;
}

void StreamBuffers::give_up(std::string_view why) {
  if (given_up_.empty()) given_up_ = why;
  units_.clear();
  interrupt();
}

void StreamBuffers::transport(const Queued& queued) {
  const std::int64_t level = transport_.level(queued.tick);
  if (level == 0) {
    busy_since_ = queued.tick;
    late_ = false;
  } else if (!late_ && queued.tick - busy_since_ > kTicksPerSecond) {
    late_ = true;
    ++counts_.not_emptied;
  }
  constexpr double kByte = 8.0 * static_cast<double>(TransportBuffer::kUnit);
  transport_gauge_.see(static_cast<double>(level) / kByte);
  transport_gauge_.see(static_cast<double>(transport_.admit(queued.tick, queued.duration)) / kByte);
}

void StreamBuffers::remove(const TimedUnit& unit, const ProgramTime& time) {
  const auto end = static_cast<double>(unit.end);
  const bool whole = is_video() ? video_.remove(end) : audio_.remove(end);
  ++counts_.access_units;
  if (!whole && !limits_->low_delay) ++counts_.underflows;
  const auto came = time.when(unit.packet);
  if (!came) return;
  const std::int64_t stay = unit.tick - *came;
  counts_.delay_max_ms = std::max(counts_.delay_max_ms.value_or(0),
                                  static_cast<double>(stay) * 1000 / static_cast<double>(kTicksPerSecond));
  if (stay > longest_stay_) ++counts_.delayed;
}

// Bytes of a header or of payload come evenly from now_ on, while access units leave.
void StreamBuffers::flow(double to, double header, double payload, const ProgramTime& time) {
  const double from = now_;
  double left = payload;
  to = std::max(to, now_);
  for (;;) {
    const bool leaves = !units_.empty() && static_cast<double>(units_.front().tick) <= to;
    const double until = leaves ? std::max(now_, static_cast<double>(units_.front().tick)) : to;
    const double part = !leaves || to <= from ? left : std::min(left, payload * (until - now_) / (to - from));
    if (is_video()) {
      video_.pass(now_, until, part);
    } else if (part > 0) {
      audio_.payload(part);
    }
    left -= part;
    now_ = until;
    if (!leaves) break;
    remove(units_.front(), time);
    units_.pop_front();
  }
  if (header <= 0) return;
  if (is_video()) {
    video_.header(header, now_);
  } else {
    audio_.header(header);
  }
}

void StreamBuffers::advance(const ProgramTime& time) {
  if (!limits_ || limits_->leak == 0) return;
  if (judged() && !horizon_) {  // no access unit yet
    if (queue_.size() > kMostQueued / 2) give_up(kNoUnit);
    if (judged()) return;
  }
  const auto until = static_cast<double>(std::min(time.now(), horizon_.value_or(time.now())));
  constexpr auto kSize = static_cast<double>(kPacketSize);
  const double through = kSize * 8 * static_cast<double>(kTicksPerSecond) / limits_->leak;
  while (!queue_.empty()) {
    const Queued& queued = queue_.front();
    const StreamPacket& packet = queued.packet;
    const double begin = std::max(static_cast<double>(queued.tick), transport_free_);
    const double end = std::max(static_cast<double>(queued.tick + queued.duration), begin + through);
    if (judged() && end > until) break;
    transport(queued);
    transport_free_ = end;
    if (judged()) {
      if (packet.restart) {
        if (running_) flow(begin, 0, 0, time);
        running_ = true;
        while (!units_.empty() && units_.front().begin < packet.position) units_.pop_front();
        now_ = std::max(now_, begin);
        audio_.restart(static_cast<double>(packet.position));
        video_.restart(static_cast<double>(packet.position), now_);
      }
      if (running_) {
        const double payload = packet.payload, header = packet.header;
        flow(begin + (end - begin) * (kSize - payload) / kSize, header, 0, time);
        flow(end, 0, payload, time);
      }
    }
    queue_.pop_front();
  }
  if (!judged() || !running_) return;
  double idle_until = until;
  if (!queue_.empty()) idle_until = std::min(until, static_cast<double>(queue_.front().tick));
  if (idle_until > now_) flow(idle_until, 0, 0, time);
}

void StreamBuffers::on_jump() {
  queue_.clear();
  units_.clear();
  horizon_.reset();
  running_ = false;
  interrupt();
}

void StreamBuffers::finish(const ProgramTime& time) {
  if (!timed_) {
    given_up_ = "nothing of it came between two PCRs";
    return;
  }
  if (!limits_) {
    given_up_ = !why_not_.empty() ? why_not_ : "no header of the stream tells its profile and level";
    return;
  }
  if (judged() && !horizon_) give_up(!why_not_.empty() ? why_not_ : kNoUnit);
  if (time.running()) advance(time);
}

TstdInfo StreamBuffers::info() const {
  TstdInfo out = counts_;
  out.unjudged = !given_up_.empty() ? given_up_ : limits_ ? limits_->unjudged : std::string_view();
  out.transport_bps = limits_ && timed_ ? limits_->leak : 0;
  std::optional<TstdBuffer> transport = counts_.transport;
  add(transport, transport_gauge_.info());
  out.transport = *transport;
  if (!judged()) return out;
  add(out.main, is_video() ? video_.elementary().info() : audio_.gauge().info());
  if (!is_video()) return out;
  add(out.multiplexing, video_.multiplexing().info());
  out.not_emptied += video_.not_emptied();
  return out;
}

}  // namespace headgate::mpegts
