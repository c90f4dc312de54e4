#include "mpegts/mux/multiplexer.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "mpegts/psi/section.h"
#include "mpegts/si/tdt.h"

namespace headgate::mpegts {
namespace {

constexpr std::int64_t kLongAgo = std::numeric_limits<std::int64_t>::min() / 2;
constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kPacketBits = kPacketSize * 8;
constexpr std::size_t kDatagram = RateSchedule::kDatagramPackets;
constexpr std::size_t kScheduleRoom = 256;  // far more than it ever gets, and what gives way there
constexpr std::size_t kLeastWaiting = 32;   // packets of a member
// The events of all members together have this part of the rate where there is more than that.
constexpr double kEitShare = 1.0 / 16;
// No packet is told to the schedule to have been due longer ago: it would take that for a step of the clock.
constexpr std::int64_t kOldestNs = 900'000'000;

// A table on its way: section by section, at intervals.
struct Sender {
  Pid pid;
  std::int64_t every_ns = 0;
  std::int64_t begun_ns = kLongAgo;
  std::int64_t sent_ns = kLongAgo;
  std::size_t next = 0;  // of its sections
  std::uint8_t version = 0xFF;

  // The section that is due, or nothing. Whatever is new goes at once.
  std::span<const std::uint8_t> due(const VersionedTable& table, std::int64_t now_ns) noexcept {
    const auto sections = table.sections();
    if (sections.empty() || now_ns - sent_ns < Multiplexer::kSectionGapNs) return {};
    if (table.version() != version || next >= sections.size()) {
      if (table.version() == version && now_ns - begun_ns < every_ns) return {};
      version = table.version();
      next = 0;
      begun_ns = now_ns;
    }
    sent_ns = now_ns;
    return sections[next++];
  }
};

}  // namespace

struct Multiplexer::Impl {
  // Fair queueing by start times: each flow has a clock that its packets move on by what they cost of its
  // share, and the one that is behind goes first.
  struct Flow {
    double weight = 1;
    double next = 0;  // start of its next packet
  };
  struct Part {
    MultiplexMember* member = nullptr;
    Sender pmt;
    Flow flow;
  };

  Impl(const MultiplexIdentity& named, std::uint64_t bitrate)
      : identity(named),
        rate(bitrate),
        before_ns(static_cast<std::int64_t>(kDatagram * kPacketBits * std::uint64_t{kSecond} / bitrate)),
        schedule(bitrate, kScheduleRoom, RateSchedule::Clock::node) {
    pat.pid = kPatPid;
    pat.every_ns = kPatPmtNs;
    sdt.pid = kSdtPid;
    sdt.every_ns = kSdtNs;
    nit.pid = kNitPid;
    nit.every_ns = kNitNs;
  }

  void adopt(std::vector<MultiplexPlace> next);
  void look_at_tables();
  void send_tables(std::int64_t now_ns, std::int64_t utc_ns);
  bool send_section(Pid pid, std::span<const std::uint8_t> section, PacketLane& lane,
                    std::int64_t now_ns) noexcept;
  void take_eit(std::int64_t now_ns) noexcept;
  bool feed(std::int64_t until_ns) noexcept;
  void to_schedule(const PacketLane::Waiting& waiting) noexcept;
  bool pop(std::int64_t now_ns, std::int64_t utc_ns, Datagram& out);

  const MultiplexIdentity identity;
  const std::uint64_t rate;
  const std::int64_t before_ns;  // a datagram's departure after its first position, and a position more
  RateSchedule schedule;
  MultiplexTables tables;
  std::vector<MultiplexPlace> places;
  std::vector<Part> parts;
  std::vector<std::uint64_t> seen;  // changes of the members that the tables know

  Sender pat, sdt, nit;
  std::int64_t time_sent_ns = kLongAgo;
  std::array<std::uint8_t, kEitPid.value + 3> counters_low{};  // continuity_counters of PAT to TDT
  std::array<std::uint8_t, PidBlock::kCount> pmt_counters{};
  PacketLane tables_lane{1024};
  PacketLane eit_lane{packed_packets(kMaxSectionSize)};
  Flow eit_flow;
  std::size_t eit_turn = 0;
  EitQueue* eit_of = nullptr;  // what waits in eit_lane came from there; nullptr: it is gone
  double now_served = 0;       // start of the packet that was served last
  std::int64_t fed_due_ns = kLongAgo;
  bool started = false;
  std::uint64_t table_packets = 0;
};

void Multiplexer::Impl::adopt(std::vector<MultiplexPlace> next) {
  std::vector<Part> now;
  std::uint64_t asked = 0;
  std::size_t open = 0;
  for (const MultiplexPlace& place : next) {
    const auto known =
        std::find_if(parts.begin(), parts.end(), [&](const Part& p) { return p.member == place.member; });
    Part part;
    if (known != parts.end()) part = *known;
    part.member = place.member;
    part.pmt.pid = place.member->pmt_pid();
    part.pmt.every_ns = kPatPmtNs;
    now.push_back(part);
    asked += place.share_bps;
    open += place.share_bps == 0 ? 1 : 0;
  }
  // Who is named nothing shares what is left, at least a tenth of an equal part.
  const double left = static_cast<double>(rate) - static_cast<double>(asked);
  const double least =
      static_cast<double>(rate) / static_cast<double>(10 * std::max<std::size_t>(1, next.size()));
  const double each = open == 0 ? 0 : std::max(least, left / static_cast<double>(open));
  double sum = 0;
  for (std::size_t i = 0; i < next.size(); ++i) {
    now[i].flow.weight = next[i].share_bps != 0 ? static_cast<double>(next[i].share_bps) : each;
    sum += now[i].flow.weight;
  }
  eit_flow.weight = std::max(1.0, sum * kEitShare);
  sum += eit_flow.weight;
  constexpr double kWaitSeconds = static_cast<double>(kMostWaitNs) / 1e9;
  for (Part& part : now) {
    const double share = static_cast<double>(rate) * part.flow.weight / sum;
    const auto packets = static_cast<std::size_t>(share * kWaitSeconds / kPacketBits);
    part.member->lane().set_limit(std::max(kLeastWaiting, packets));
  }
  places = std::move(next);
  parts = std::move(now);
  seen.clear();
  eit_of = nullptr;
  if (started) look_at_tables();
}

void Multiplexer::Impl::look_at_tables() {
  const auto same = [](const Part& part, std::uint64_t changes) { return part.member->changes() == changes; };
  if (started && std::equal(parts.begin(), parts.end(), seen.begin(), seen.end(), same)) return;
  seen.clear();
  for (const Part& part : parts) seen.push_back(part.member->changes());
  tables.set(identity, places);
}

bool Multiplexer::Impl::send_section(Pid pid, std::span<const std::uint8_t> section, PacketLane& lane,
                                     std::int64_t now_ns) noexcept {
  std::array<std::uint8_t, packed_packets(kMaxSectionSize) * kPacketSize> packets;
  std::uint8_t& counter = pid.value < counters_low.size()
                              ? counters_low[pid.value]
                              : pmt_counters[(pid.value - PidBlock::kFirst) / PidBlock::kSize];
  const std::size_t size = pack_section_into(pid, section, counter, packets);
  bool cutting = false;
  if (size == 0 || !lane.admits(DropRank::tables, true, cutting)) return false;
  for (std::size_t at = 0; at < size; at += kPacketSize)
    lane.push(std::span<const std::uint8_t>{packets}.subspan(at).first<kPacketSize>(), now_ns);
  counter = (counter + size / kPacketSize) & 0x0F;
  table_packets += size / kPacketSize;
  return true;
}

void Multiplexer::Impl::send_tables(std::int64_t now_ns, std::int64_t utc_ns) {
  look_at_tables();
  const auto send = [&](Sender& sender, const VersionedTable& table) {
    if (const auto section = sender.due(table, now_ns); !section.empty())
      send_section(sender.pid, section, tables_lane, now_ns);
  };
  send(pat, tables.pat());
  for (Part& part : parts) send(part.pmt, part.member->pmt());
  send(sdt, tables.sdt());
  send(nit, tables.nit());
  if (now_ns - time_sent_ns < kTimeNs) return;
  time_sent_ns = now_ns;
  const std::int64_t unix_s = utc_ns / kSecond;
  send_section(kTdtPid, Tdt{unix_s}.to_section(), tables_lane, now_ns);
  if (!tables.time_offsets().bytes.empty())
    send_section(kTdtPid, Tot{unix_s, tables.time_offsets()}.to_section(), tables_lane, now_ns);
}

// One section at a time, so that no two are mixed; members take turns.
void Multiplexer::Impl::take_eit(std::int64_t now_ns) noexcept {
  if (!eit_lane.empty()) return;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::size_t turn = (eit_turn + i) % parts.size();
    EitQueue& queue = parts[turn].member->eit();
    const auto section = queue.front(now_ns);
    if (section.empty()) continue;
    send_section(kEitPid, section, eit_lane, now_ns);
    queue.pop();
    eit_of = &queue;
    eit_turn = turn + 1;
    return;
  }
}

void Multiplexer::Impl::to_schedule(const PacketLane::Waiting& waiting) noexcept {
  fed_due_ns = std::max(fed_due_ns, waiting.due_ns);
  schedule.push(waiting.bytes, std::max(waiting.due_ns, fed_due_ns - kOldestNs));
}

// The packet that goes next, of what is due. False: there is none.
bool Multiplexer::Impl::feed(std::int64_t until_ns) noexcept {
  if (!tables_lane.empty()) {
    to_schedule(tables_lane.front());
    tables_lane.pop();
    return true;
  }
  take_eit(until_ns);
  Flow* first = nullptr;
  Part* of = nullptr;
  const auto offer = [&](Flow& flow, Part* part) {
    flow.next = std::max(flow.next, now_served);
    if (first != nullptr && flow.next >= first->next) return;
    first = &flow;
    of = part;
  };
  for (Part& part : parts) {
    const PacketLane& lane = part.member->lane();
    if (!lane.empty() && lane.front().due_ns <= until_ns) offer(part.flow, &part);
  }
  if (!eit_lane.empty()) offer(eit_flow, nullptr);
  if (first == nullptr) return false;
  now_served = first->next;
  first->next += 1 / first->weight;
  PacketLane& lane = of != nullptr ? of->member->lane() : eit_lane;
  to_schedule(lane.front());
  lane.pop();
  if (of != nullptr) {
    of->member->note_sent();
  } else if (lane.empty() && eit_of != nullptr) {
    eit_of->note_sent(until_ns);
  }
  return true;
}

bool Multiplexer::Impl::pop(std::int64_t now_ns, std::int64_t utc_ns, Datagram& out) {
  if (!started) {
    tables.start_at(first_version(now_ns));
    send_tables(now_ns, utc_ns);
    started = true;
    feed(now_ns);
  }
  const std::int64_t departure = schedule.next_departure_ns();
  if (departure > now_ns) return false;
  // What is due by its first position: the schedule keeps the order, and a packet that is due by the last
  // would leave those before it empty.
  const std::int64_t first = departure - before_ns;
  send_tables(first, utc_ns - (now_ns - first));
  // What gives way in the schedule keeps nothing else from its positions.
  const auto ready = [this] {
    const RateSchedule::Counters counters = schedule.counters();
    return counters.waiting - counters.held;
  };
  while (ready() < kDatagram && feed(first)) {
  }
  return schedule.pop(now_ns, out);
}

Multiplexer::Multiplexer(const MultiplexIdentity& identity, std::uint64_t bitrate_bps)
    : impl_(std::make_unique<Impl>(identity, bitrate_bps)) {}
Multiplexer::~Multiplexer() = default;

std::size_t Multiplexer::most_packets(std::uint64_t bitrate_bps) noexcept {
  const std::uint64_t bits = bitrate_bps / 1000 * (kMostWaitNs / 1'000'000);
  return std::max(kLeastWaiting, static_cast<std::size_t>(bits / kPacketBits) + 1);
}

void Multiplexer::adopt(std::vector<MultiplexPlace> places) { impl_->adopt(std::move(places)); }
const std::vector<MultiplexPlace>& Multiplexer::places() const noexcept { return impl_->places; }

bool Multiplexer::pop(std::int64_t now_ns, std::int64_t utc_ns, Datagram& out) noexcept {
  return impl_->pop(now_ns, utc_ns, out);
}

std::int64_t Multiplexer::next_departure_ns() const noexcept {
  return impl_->started ? impl_->schedule.next_departure_ns() : std::numeric_limits<std::int64_t>::min();
}

Multiplexer::Counters Multiplexer::counters() const noexcept {
  const auto sent = impl_->schedule.counters();
  return {sent.packets + sent.nulls, sent.nulls, impl_->table_packets};
}

std::optional<std::uint64_t> Multiplexer::take_pcr_accuracy_max() noexcept {
  return impl_->schedule.take_pcr_accuracy_max();
}

}  // namespace headgate::mpegts
