#include "mpegts/remux/program_writer.h"

#include <algorithm>
#include <utility>

namespace headgate::mpegts::remux {
namespace {

constexpr std::int64_t kMillisecond = 1'000'000;
constexpr std::int64_t kTablesEvery = 100 * kMillisecond;  // TR 101 290 5.2.1 allows 500 ms
constexpr std::int64_t kSdtEvery = 1000 * kMillisecond;    // TR 101 211 4.4: 2 s
// Of a pause. Asked every 10 to 20 ms; 2.7.2 allows 100 ms, which the source itself may nearly take.
constexpr std::int64_t kPcrFirst = 75 * kMillisecond;
constexpr std::int64_t kPcrEvery = 18 * kMillisecond;
constexpr std::int64_t kEndWithin = 500 * kMillisecond;
constexpr std::int64_t kGroupWithin = 1000 * kMillisecond;
constexpr std::int64_t kBeforeWithin = 3000 * kMillisecond;

}  // namespace

void ProgramWriter::forget() noexcept {
  ready_ = false;
  first_on_air_ = true;
  slots_.clear();
  source_ = Source{};
  former_ = Source{};
  source_.route.fill(kDrop);
  former_.route.fill(kDrop);
  pcr_known_ = filled_ = false;
}

// Slots of PIDs that stay keep their state.
void ProgramWriter::set_layout(const InputTables& tables) {
  pat_ = tables.pat();
  pat_section_.assign(tables.pat_section().begin(), tables.pat_section().end());
  pmt_pid_ = tables.pmt_pid();
  if (ready_ && layout_ == tables.pmt()) return;
  layout_ = tables.pmt();
  std::vector<Slot> slots;
  const std::size_t count = std::min<std::size_t>(layout_.streams.size(), kSlots);
  for (std::size_t i = 0; i < count; ++i) {
    const Pid pid = layout_.streams[i].pid;
    const auto old = std::find_if(slots_.begin(), slots_.end(), [&](const Slot& s) { return s.pid == pid; });
    const bool known = old != slots_.end();
    slots.push_back(known ? std::move(*old) : Slot{});
    slots.back().pid = pid;
    if (!known) slots.back().started = true;
  }
  slots_ = std::move(slots);
  former_.route.fill(kDrop);
  ready_ = true;
}

void ProgramWriter::follow(const InputTables& tables) {
  set_layout(tables);
  first_tables_ = &tables;
  first_on_air_ = true;
  source_.offset = 0;
  source_.shiftable = true;
  set_routes(plan_tracks(layout_, pmt_pid_, layout_), tables, true);
  pmt_sent_ = layout_;
  pmt_table_ = VersionedTable{};  // its own PMT goes out, under its own version
  pmt_table_.start_at(layout_.version);
  pmt_table_.set(layout_.to_section());
}

void ProgramWriter::set_routes(const TrackPlan& plan, const InputTables& tables, bool first) {
  auto& route = source_.route;
  route.fill(first ? kPass : kDrop);
  if (!first) {
    route[kNullPid.value] = kPass;
    route[kTdtPid.value] = kPass;
    // The present event of another service would be a lie.
    const bool same_service = tables.program_number() == layout_.program_number &&
                              tables.pat().transport_stream_id == pat_.transport_stream_id;
    if (same_service) route[kEitPid.value] = kPass;
    if (!plan.keys.empty()) route[kCatPid.value] = kPass;
  }
  source_.keys = plan.keys;
  for (const auto& key : plan.keys) route[key.from.value] = kKeys;
  for (const Pid pid : plan.left_out) route[pid.value] = kLeftOut;
  for (const auto& track : plan.tracks) {
    if (track.to >= slots_.size()) continue;
    Slot& slot = slots_[track.to];
    route[track.from.value] = static_cast<std::uint8_t>(track.to);
    slot.kind = track.kind;
    slot.cues = track.kind == StreamKind::scte35 ? std::make_unique<SectionAssembler>(track.from) : nullptr;
  }
  for (const Pid pid : {kPatPid, tables.pmt_pid()}) route[pid.value] = kTables;
  if (const auto* key = key_track(plan)) key_slot_ = key->to;
  source_.pcr_pid = tables.pcr_pid();
}

// What is more than a section holds leaves the tables in use as they are.
void ProgramWriter::set_pmt(Pmt pmt) {
  if (!pmt_table_.set(pmt.to_section())) return;
  pmt.version = pmt_table_.version();
  pmt_sent_ = std::move(pmt);
  tables_ns_ = 0;
}

void ProgramWriter::begin_writing() noexcept {
  out_.follow_source();
  for (Slot& slot : slots_) slot.started = slot.joined = true;
}

void ProgramWriter::take_over(const TakeOver& wanted, std::int64_t now_ns) {
  if (wanted.first) set_layout(*wanted.tables);
  former_ = std::move(source_);
  source_ = Source{};
  source_.offset = wanted.offset;
  source_.shiftable = wanted.shiftable;
  const std::size_t former_key = key_slot_;
  set_routes(*wanted.plan, *wanted.tables, wanted.first);
  first_on_air_ = wanted.first;
  first_tables_ = wanted.first_tables;
  ending_until_ns_ = now_ns + kEndWithin;
  for (Slot& slot : slots_) {
    slot.ending = slot.yields = slot.started = slot.skipping = slot.joined = false;
    slot.seam = {};
  }
  // Pictures have ended; sound goes on until the other's begins.
  for (const auto& track : wanted.plan->tracks) {
    if (track.to >= slots_.size() || track.to == former_key || track.to == key_slot_) continue;
    slots_[track.to].ending = wanted.former_goes_on && is_audio(track.kind);
  }
  out_.rejoin_all();
  mark_ = wanted.discontinuity;
  marker_ = BrokenLinkMarker{key_slot_ < slots_.size() ? slots_[key_slot_].kind : StreamKind::unknown};
  marking_ = wanted.pts.has_value() && wanted.shiftable;
  open_group_ = wanted.open_group;
  group_pts_ = wanted.pts ? wanted.pts->ticks : 0;
  group_until_ns_ = wanted.pts ? now_ns + kGroupWithin : 0;
  set_pmt(wanted.plan->pmt);
  send_tables(now_ns);
  if (!wanted.shiftable) pcr_known_ = false;
  if (!wanted.clock || pmt_sent_.pcr_pid == kNullPid) return;
  if (const auto pcr = next_pcr(*wanted.clock)) {
    out_.add_pcr(pmt_sent_.pcr_pid, *pcr, std::exchange(mark_, false));
    pcr_ns_ = now_ns;
  }
}

void ProgramWriter::set_plan(const TrackPlan& plan, const InputTables& tables) {
  if (first_on_air_) set_layout(tables);
  const auto before = source_.route;
  set_routes(plan, tables, first_on_air_);
  for (std::size_t pid = 0; pid < kPidCount; ++pid) {
    const std::uint8_t to = source_.route[pid];
    if (to >= slots_.size() || before[pid] == to) continue;
    slots_[to].started = false;  // another PID of the input, or one that is new
    out_.rejoin(slots_[to].pid);
  }
  set_pmt(plan.pmt);
}

void ProgramWriter::send_tables(std::int64_t now_ns) noexcept {
  tables_ns_ = now_ns;
  out_.add_section(kPatPid, pat_section_);
  out_.add_section(pmt_pid_, pmt_table_.section());
  if (first_on_air_ || first_tables_ == nullptr || now_ns - sdt_ns_ < kSdtEvery) return;
  sdt_ns_ = now_ns;
  for (const auto& section : first_tables_->sdt()) {
    if (!section.empty()) out_.add_section(kSdtPid, section);
  }
}

void ProgramWriter::tables_if_due(std::int64_t now_ns) noexcept {
  if (now_ns - tables_ns_ >= kTablesEvery) send_tables(now_ns);
}

void ProgramWriter::fill(std::optional<std::uint64_t> pcr, std::int64_t now_ns) noexcept {
  if (!pcr || pmt_sent_.pcr_pid == kNullPid || now_ns - pcr_ns_ < (filled_ ? kPcrEvery : kPcrFirst)) return;
  if (const auto next = next_pcr(*pcr)) {
    out_.add_pcr(pmt_sent_.pcr_pid, *next, false);
    pcr_ns_ = now_ns;
    filled_ = true;
  }
}

bool ProgramWriter::unit_open() const noexcept {
  return key_slot_ < slots_.size() && slots_[key_slot_].started && slots_[key_slot_].left != 0;
}

bool ProgramWriter::begins_unit(const TsPacket& packet) const noexcept {
  return packet.payload_unit_start() && source_.route[packet.pid().value] == key_slot_;
}

void ProgramWriter::absorb(std::uint64_t offset, std::uint64_t clock, std::int64_t now_ns) noexcept {
  source_.offset_before = source_.offset;
  source_.before_until_ns = now_ns + kBeforeWithin;
  source_.offset = offset;
  clock_ = clock;
  for (Slot& slot : slots_) {
    slot.joined = false;
    slot.seam = {};
  }
}

}  // namespace headgate::mpegts::remux
