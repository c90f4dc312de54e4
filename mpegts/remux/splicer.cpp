#include "mpegts/remux/splicer.h"

#include <algorithm>
#include <bitset>
#include <utility>
#include <vector>

#include "mpegts/remux/input_clock.h"
#include "mpegts/remux/input_tables.h"
#include "mpegts/remux/next_input.h"
#include "mpegts/remux/program_writer.h"
#include "mpegts/remux/splice_output.h"
#include "mpegts/remux/track_plan.h"

namespace headgate::mpegts {
namespace {

using namespace remux;

constexpr std::int64_t kMillisecond = 1'000'000;
constexpr std::int64_t kSilent = 100 * kMillisecond;   // an input without packets for so long
constexpr std::int64_t kStopped = 500 * kMillisecond;  // and one that begins anew after it
// A pause on air of so long is filled: with PCRs, and later with tables, which end bit-exactness. TR 101 290
// 5.2.1 allows 500 ms between two PATs, of which an interval of the source's own may have passed before.
constexpr std::int64_t kPause = 40 * kMillisecond;
constexpr std::int64_t kLongPause = 300 * kMillisecond;
constexpr std::int64_t kUnitEnd = 200 * kMillisecond;  // so long the old input may end its access unit
// What waits at a switch, a PCR packet for each of it at worst, tables and cues.
constexpr std::size_t kOutPackets = 2 * NextInput::kHold + 128;

// The next multiple of 300: a whole tick of 90 kHz.
std::uint64_t whole_ticks(std::uint64_t ticks) noexcept { return (ticks + 299) / 300 * 300 % kPcrModulus; }

}  // namespace

struct Splicer::Impl {
  struct Input {
    InputTables tables;
    InputClock clock;
    std::int64_t last_ns = 0;
    bool silent(std::int64_t now_ns) const noexcept { return last_ns == 0 || now_ns - last_ns >= kSilent; }
  };
  enum class Mode {
    exact,    // packets leave as they are
    whole,    // the whole stream of another input, its counters brought in line
    written,  // one program under the PIDs of the first input
  };

  explicit Impl(std::size_t count) {
    inputs.reserve(count);
    for (std::size_t i = 0; i < count; ++i) inputs.push_back(std::make_unique<Input>());
  }

  void want(std::size_t input, std::int64_t now_ns) noexcept;
  std::span<const std::uint8_t> on_packet(std::size_t index, const TsPacket& packet,
                                          std::int64_t now_ns) noexcept;
  std::span<const std::uint8_t> on_time(std::int64_t now_ns) noexcept;

  Input& air() noexcept { return *inputs[*on_air]; }
  Input& next() noexcept { return *inputs[wanted]; }
  void note_clock(std::size_t index, const TsPacket& packet, std::int64_t now_ns) noexcept;
  std::span<const std::uint8_t> from_air(const TsPacket& packet, bool changed, std::int64_t now_ns) noexcept;
  void from_next(const TsPacket& packet, bool changed, bool silent, std::int64_t now_ns) noexcept;
  void make_plan() noexcept;
  void send_whole(const TsPacket& packet) noexcept;
  void switch_if_ready(std::int64_t now_ns) noexcept;
  void switch_now(std::int64_t now_ns) noexcept;
  void switch_whole() noexcept;
  bool change_comes(std::int64_t now_ns) noexcept;
  void begin_writing() noexcept;
  std::uint64_t air_clock(std::int64_t now_ns) noexcept {
    return (air().clock.at(now_ns) + writer.offset()) % kPcrModulus;
  }

  std::vector<std::unique_ptr<Input>> inputs;
  SpliceOutput out{kOutPackets};
  ProgramWriter writer{out};
  NextInput pending{kPatience};
  Mode mode = Mode::exact;
  std::size_t wanted = 0;
  std::optional<std::size_t> on_air;
  std::size_t first = 0;              // the input whose PIDs the output has
  std::optional<std::size_t> former;  // what it had begun may end
  bool plan_due = false;
  bool change_expected = false;
  std::bitset<kPidCount> marked;  // whole: PCR PIDs whose discontinuity is marked
  bool splice = false;
  Counters counters;
};

void Splicer::Impl::want(std::size_t input, std::int64_t now_ns) noexcept {
  if (input >= inputs.size() || input == wanted) return;
  wanted = input;
  pending.stop();
  if (!on_air || wanted == *on_air) return;
  pending.begin(now_ns);
  plan_due = true;
}

// Keeps the input's clock; where that of the input on air jumps, what is written goes on.
void Splicer::Impl::note_clock(std::size_t index, const TsPacket& packet, std::int64_t now_ns) noexcept {
  Input& input = *inputs[index];
  const Pid pid = input.tables.pcr_pid();
  if (!packet.has_pcr() || packet.pid() != pid || pid == kNullPid || packet.transport_error()) return;
  const auto expected = input.clock.on_pcr(packet.pcr()->ticks, packet.discontinuity(), now_ns);
  if (!expected || !on_air || index != *on_air || mode != Mode::written || !writer.shiftable()) return;
  const std::uint64_t clock = (*expected + writer.offset()) % kPcrModulus;
  writer.absorb(whole_ticks((clock + kPcrModulus - packet.pcr()->ticks) % kPcrModulus), clock, now_ns);
}

std::span<const std::uint8_t> Splicer::Impl::on_packet(std::size_t index, const TsPacket& packet,
                                                       std::int64_t now_ns) noexcept {
  out.clear();
  if (index >= inputs.size()) return {};
  Input& input = *inputs[index];
  const bool stopped = input.last_ns == 0 || now_ns - input.last_ns >= kStopped;
  input.last_ns = now_ns;
  if (!on_air) {
    if (index == wanted) on_air = first = index;
  }
  const bool is_air = on_air && index == *on_air;
  if (!packet.has_sync()) {
    return is_air && mode == Mode::exact ? std::span<const std::uint8_t>{packet.bytes()} : out.bytes();
  }
  const bool changed = input.tables.on_packet(packet);
  note_clock(index, packet, now_ns);
  if (!on_air) return {};
  if (pending.ready()) switch_if_ready(now_ns);
  if (index == *on_air) return from_air(packet, changed, now_ns);
  if (former && index == *former && mode == Mode::written) writer.send_ending(packet, now_ns);
  if (index == wanted) from_next(packet, changed, stopped, now_ns);
  return out.bytes();
}

std::span<const std::uint8_t> Splicer::Impl::from_air(const TsPacket& packet, bool changed,
                                                      std::int64_t now_ns) noexcept {
  Input& input = air();
  if (mode != Mode::written && input.tables.ready() && (changed || !writer.ready())) {
    writer.follow(input.tables);
    plan_due = true;
  } else if (mode == Mode::written && changed && input.tables.ready()) {
    const bool own = *on_air == first;
    const TrackPlan plan =
        plan_tracks(own ? input.tables.pmt() : writer.layout(), writer.pmt_pid(), input.tables.pmt());
    if (!plan.tracks.empty()) writer.set_plan(plan, input.tables);
    plan_due = true;
  }
  // The old input's access unit ends where its next one begins.
  if (pending.ready() && writer.begins_unit(packet)) {
    switch_now(now_ns);
    if (mode == Mode::written) writer.send_ending(packet, now_ns);
    return out.bytes();
  }
  if (mode == Mode::exact) {
    const bool as_it_is = writer.observe(packet, now_ns);
    out.note(packet);
    if (as_it_is && !pending.ready()) return packet.bytes();
    const auto copy = out.add(packet);
    if (copy && !as_it_is) strip_pcr(*copy);
  } else if (mode == Mode::whole) {
    writer.observe(packet, now_ns);
    send_whole(packet);
  } else {
    writer.send(packet, now_ns);
  }
  if (pending.ready() && !writer.unit_open()) switch_now(now_ns);
  return out.bytes();
}

void Splicer::Impl::make_plan() noexcept {
  plan_due = false;
  pending.drop_plan();
  if (!writer.ready() || !next().tables.ready()) return;
  const Pmt& pmt = next().tables.pmt();
  // The first input comes back with PIDs of its own, whatever they are now.
  const bool own = wanted == first;
  pending.set_plan(own ? plan_tracks(pmt, next().tables.pmt_pid(), pmt)
                       : plan_tracks(writer.layout(), writer.pmt_pid(), pmt));
}

void Splicer::Impl::from_next(const TsPacket& packet, bool changed, bool silent,
                              std::int64_t now_ns) noexcept {
  if (air().tables.programs() > 1 || next().tables.programs() > 1) {
    switch_whole();
    send_whole(packet);
    return;
  }
  if (changed || plan_due) make_plan();
  pending.on_packet(packet, silent, next().clock.valid(), now_ns);
  if (!pending.planned() && pending.impatient(now_ns) && packet.payload_unit_start()) {
    // Tables don't come, or there is nothing in common.
    switch_whole();
    send_whole(packet);
    return;
  }
  if (pending.ready()) switch_if_ready(now_ns);
}

void Splicer::Impl::switch_if_ready(std::int64_t now_ns) noexcept {
  const bool waits = !air().silent(now_ns) && writer.unit_open() && !pending.full() &&
                     now_ns - pending.ready_ns() < kUnitEnd;
  if (!waits) switch_now(now_ns);
}

void Splicer::Impl::switch_now(std::int64_t now_ns) noexcept {
  const InputClock &old_clock = air().clock, &new_clock = next().clock;
  const bool clocks = old_clock.valid() && new_clock.valid();
  ProgramWriter::TakeOver take;
  take.tables = &next().tables;
  take.plan = &pending.plan();
  take.first = wanted == first;
  take.first_tables = &inputs[first]->tables;
  take.shiftable = !pending.scrambled();
  if (clocks && take.shiftable) {
    take.offset = whole_ticks((air_clock(now_ns) + kPcrModulus - new_clock.at(now_ns)) % kPcrModulus);
  }
  if (new_clock.valid()) take.clock = (new_clock.at(now_ns) + take.offset) % kPcrModulus;
  take.former_goes_on = !air().silent(now_ns);
  take.discontinuity = pending.hard() || !take.shiftable || !clocks;
  if (!pending.hard()) {
    take.open_group = pending.open_group();
    take.pts = pending.pts();
  }
  counters.switches += 1;
  counters.hard_switches += pending.hard() ? 1 : 0;
  former = on_air;
  on_air = wanted;
  mode = Mode::written;
  splice = true;
  writer.take_over(take, now_ns);
  for (auto held = pending.held(); held.size() >= kPacketSize; held = held.subspan(kPacketSize)) {
    writer.send(TsPacket{held.first<kPacketSize>()}, now_ns);
  }
  pending.stop();
}

void Splicer::Impl::switch_whole() noexcept {
  ++counters.switches;
  ++counters.hard_switches;
  splice = true;
  former.reset();
  on_air = first = wanted;
  mode = Mode::whole;
  pending.stop();
  out.rejoin_all();
  marked.reset();
  writer.forget();
  if (air().tables.ready()) writer.follow(air().tables);
}

// Each PID from the first start on it: what was cut at the switch is of no use.
void Splicer::Impl::send_whole(const TsPacket& packet) noexcept {
  const Pid pid = packet.pid();
  if (packet.has_payload() && !packet.payload_unit_start() && pid != kNullPid && !out.joined(pid)) return;
  const auto copy = out.add(packet);
  if (!copy) return;
  if (packet.has_pcr() && !marked[pid.value]) {
    mark_discontinuity(*copy);
    marked.set(pid.value);
  }
  out.count_on(*copy);
}

void Splicer::Impl::begin_writing() noexcept {
  if (mode == Mode::written) return;
  if (mode == Mode::exact) writer.begin_writing();
  mode = Mode::written;
}

// Whether what the input on air leaves out is worth filling: the next one is on its way.
bool Splicer::Impl::change_comes(std::int64_t now_ns) noexcept {
  if (wanted == *on_air) return change_expected && mode != Mode::whole;
  return now_ns - std::max(next().last_ns, pending.since_ns()) < kPatience;
}

std::span<const std::uint8_t> Splicer::Impl::on_time(std::int64_t now_ns) noexcept {
  out.clear();
  if (!on_air) return {};
  if (pending.ready()) {
    switch_if_ready(now_ns);
    if (!pending.active()) return out.bytes();
  }
  const std::int64_t pause = now_ns - air().last_ns;
  if (pause < kPause || !writer.ready() || !change_comes(now_ns)) return {};
  if (pause >= (mode == Mode::whole ? kSilent : kLongPause)) begin_writing();
  if (mode == Mode::whole) return {};
  std::optional<std::uint64_t> pcr;
  if (air().clock.valid()) pcr = air_clock(now_ns);
  if (mode == Mode::written) writer.tables_if_due(now_ns);
  writer.fill(pcr, now_ns);
  counters.filler_packets += out.packets();
  return out.bytes();
}

Splicer::Splicer(std::size_t inputs)
    : impl_(std::make_unique<Impl>(std::clamp<std::size_t>(inputs, 1, kMaxInputs))) {}
Splicer::~Splicer() = default;

void Splicer::want(std::size_t input, std::int64_t now_ns) noexcept { impl_->want(input, now_ns); }
void Splicer::expect_change(bool expected) noexcept { impl_->change_expected = expected; }
std::size_t Splicer::wanted() const noexcept { return impl_->wanted; }
bool Splicer::exact() const noexcept { return impl_->mode == Impl::Mode::exact; }
std::optional<std::size_t> Splicer::on_air() const noexcept { return impl_->on_air; }

std::span<const std::uint8_t> Splicer::on_packet(std::size_t input, const TsPacket& packet,
                                                 std::int64_t now_ns) noexcept {
  return impl_->on_packet(input, packet, now_ns);
}

std::span<const std::uint8_t> Splicer::on_time(std::int64_t now_ns) noexcept {
  return impl_->on_time(now_ns);
}

bool Splicer::take_splice() noexcept { return std::exchange(impl_->splice, false); }

const Splicer::Counters& Splicer::counters() const noexcept {
  impl_->counters.left_out = impl_->writer.left_out();
  return impl_->counters;
}

}  // namespace headgate::mpegts
