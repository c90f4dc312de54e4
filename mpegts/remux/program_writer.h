// Writes one program out of several inputs, one after another, under the PIDs of the first: its tables,
// tracks under their output PIDs, one clock (ISO/IEC 13818-1:2022 2.4.3.3, 2.4.3.5, 2.4.3.7, 2.4.4). The
// splicer decides when; this is how. Threading: owned by one thread; allocates where tables change.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "mpegts/remux/input_tables.h"
#include "mpegts/remux/random_access.h"
#include "mpegts/remux/splice_output.h"
#include "mpegts/remux/track_plan.h"

namespace headgate::mpegts::remux {

class ProgramWriter final : private SectionSink {
 public:
  explicit ProgramWriter(SpliceOutput& out) : out_(out) { forget(); }

  // Whether PIDs, program_number and PMT are known.
  bool ready() const noexcept { return ready_; }
  const Pmt& layout() const noexcept { return layout_; }
  Pid pmt_pid() const noexcept { return pmt_pid_; }
  void forget() noexcept;
  // Takes its PIDs from these tables, whose stream is on air as it is.
  void follow(const InputTables& tables);
  // A packet of that stream which leaves by itself. False: but without its PCR, which would step back behind
  // those that filled a pause.
  bool observe(const TsPacket& packet, std::int64_t now_ns) noexcept;
  // From here on the writer writes what is on air, PAT and PMT with it.
  void begin_writing() noexcept;

  // Another input goes on air.
  struct TakeOver {
    const InputTables* tables;
    const TrackPlan* plan;
    bool first;  // it is the one whose PIDs these are
    const InputTables* first_tables;
    std::uint64_t offset = 0;            // 27 MHz, a multiple of 300
    std::optional<std::uint64_t> clock;  // what the PCR of the output is now
    bool shiftable = true;               // false: scrambled, its time stamps can't be reached
    bool former_goes_on = false;         // the former one still sends: it may end what it has begun
    bool discontinuity = false;          // to be marked
    bool open_group = false;             // it begins with a picture of an open group
    std::optional<Pts90kHz> pts;         // of that picture
  };
  void take_over(const TakeOver& wanted, std::int64_t now_ns);
  // The tables of the input on air changed.
  void set_plan(const TrackPlan& plan, const InputTables& tables);

  void send(const TsPacket& packet, std::int64_t now_ns) noexcept;
  // A packet of the former input: what it had begun ends.
  void send_ending(const TsPacket& packet, std::int64_t now_ns) noexcept;
  void tables_if_due(std::int64_t now_ns) noexcept;
  // Nothing is on air: the PCR as it would be, where one is due.
  void fill(std::optional<std::uint64_t> pcr, std::int64_t now_ns) noexcept;

  // An access unit of the key track has begun and did not end.
  bool unit_open() const noexcept;
  bool begins_unit(const TsPacket& packet) const noexcept;
  std::uint64_t offset() const noexcept { return source_.offset; }
  // The source's clock jumped; the former offset stays good for time stamps that still come from before.
  void absorb(std::uint64_t offset, std::uint64_t clock, std::int64_t now_ns) noexcept;
  bool shiftable() const noexcept { return source_.shiftable; }
  std::uint64_t left_out() const noexcept { return left_out_; }

 private:
  // What becomes of a PID: the index of its slot, or
  static constexpr std::uint8_t kSlots = 0xF0;
  static constexpr std::uint8_t kKeys = 0xFB;     // ECMs, by a list
  static constexpr std::uint8_t kPass = 0xFC;     // under its own PID
  static constexpr std::uint8_t kTables = 0xFD;   // ours go out instead
  static constexpr std::uint8_t kLeftOut = 0xFE;  // a track without a place
  static constexpr std::uint8_t kDrop = 0xFF;

  struct Source {
    Pid pcr_pid = kNullPid;
    std::uint64_t offset = 0;
    std::uint64_t offset_before = 0;  // of time stamps from before a jump, until:
    std::int64_t before_until_ns = 0;
    bool shiftable = true;
    std::vector<TrackPlan::KeyPid> keys;
    std::array<std::uint8_t, kPidCount> route{};
  };
  // One track of the output.
  struct Slot {
    Pid pid;
    StreamKind kind = StreamKind::unknown;
    bool ending = false;    // the former input goes on here until this one begins
    bool yields = false;    // but it must not begin another PES packet
    bool started = false;   // the input on air has begun one
    bool skipping = false;  // and it is left out
    bool joined = false;    // its time stamps have gone past those of the former input
    std::int64_t left = 0;  // bytes of the open PES packet, or
    static constexpr std::int64_t kOpen = -1;
    bool timed = false;
    std::uint64_t dts = 0;      // of the last PES packet that left
    std::uint64_t pts = 0;      // the latest that left
    std::uint64_t spacing = 0;  // of DTS
    struct Seam {               // between two inputs: where one ended and the other began
      bool known = false;
      std::uint64_t old_dts = 0, old_pts = 0, new_dts = 0, new_pts = 0;
    } seam;
    std::unique_ptr<SectionAssembler> cues;  // SCTE 35
  };
  struct Times;

  void on_section(Pid pid, std::span<const std::uint8_t> section) noexcept override;
  void on_crc_error(Pid) noexcept override {}
  void set_layout(const InputTables& tables);
  void set_routes(const TrackPlan& plan, const InputTables& tables, bool first);
  void set_pmt(Pmt pmt);
  void send_tables(std::int64_t now_ns) noexcept;
  Pid destination(std::uint8_t route, Pid from) const noexcept;
  std::optional<std::uint64_t> next_pcr(std::uint64_t ticks) noexcept;
  bool steps_back(std::uint64_t ticks) const noexcept;
  bool admit(Slot& slot, const TsPacket& packet, const Times& times, std::int64_t now_ns) noexcept;
  bool wanted(Slot& slot, const Times& times, std::int64_t now_ns) noexcept;
  void write_times(Slot& slot, PacketBytes packet, const Times& times, bool shiftable) noexcept;
  static void past_the_seam(Slot& slot, std::uint64_t& pts, std::uint64_t& dts) noexcept;
  static void note_times(Slot& slot, std::uint64_t pts, std::uint64_t dts) noexcept;
  void mark_broken_link(const Slot& slot, PacketBytes packet) noexcept;
  static void account(Slot& slot, const TsPacket& packet, std::size_t packet_length) noexcept;
  std::uint64_t shifted(std::uint64_t time, std::int64_t now_ns) const noexcept;

  SpliceOutput& out_;
  bool ready_ = false;
  Pat pat_;
  std::vector<std::uint8_t> pat_section_;
  Pid pmt_pid_ = kNullPid;
  Pmt layout_;    // PIDs of the output
  Pmt pmt_sent_;  // the PMT that receivers know
  VersionedTable pmt_table_;
  const InputTables* first_tables_ = nullptr;
  bool first_on_air_ = true;
  std::vector<Slot> slots_;
  std::size_t key_slot_ = 0;
  Source source_;
  Source former_;
  std::int64_t ending_until_ns_ = 0;

  bool pcr_known_ = false;
  std::uint64_t pcr_ = 0;  // the last that left
  std::int64_t pcr_ns_ = 0;
  bool filled_ = false;      // it was none of the source's
  std::uint64_t clock_ = 0;  // what it shows about now
  bool mark_ = false;
  std::int64_t tables_ns_ = 0;
  std::int64_t sdt_ns_ = 0;

  BrokenLinkMarker marker_;
  bool marking_ = false;  // the PES packet that the input began with is under way
  bool open_group_ = false;
  std::uint64_t group_pts_ = 0;  // as the input has it
  std::int64_t group_until_ns_ = 0;

  Slot* cue_slot_ = nullptr;  // during its assembler's on_packet()
  std::array<std::uint8_t, kMaxSectionSize> cue_{};
  std::uint64_t left_out_ = 0;
};

}  // namespace headgate::mpegts::remux
