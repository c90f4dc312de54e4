// One service cut out of a multiplex on its way through the worker. Generated streams; with HEADGATE_STREAMS
// set, a capture of a multiplex too.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "mpegts/psi/section.h"
#include "mpegts/psi/section_edit.h"
#include "mpegts/psi/tables.h"
#include "mpegts/si/sdt.h"
#include "tests/fastpath/fastpath_support.h"

namespace headgate::fastpath {
namespace {

using mpegts::Pid;
using protocol::DropReason;

constexpr std::uint16_t kPmtOf[] = {0, 0x20, 0x30};
constexpr std::uint16_t kVideoOf[] = {0, 0x100, 0x200};
constexpr std::uint64_t kTick = 27'000'000;

FrameBytes pat_packet(std::uint8_t cc) {
  mpegts::Pat pat;
  pat.transport_stream_id = 7;
  pat.entries = {{1, Pid{kPmtOf[1]}}, {2, Pid{kPmtOf[2]}}};
  return mpegts::pack_section(mpegts::kPatPid, pat.to_section(), cc);
}

FrameBytes pmt_packet(std::uint16_t program, std::uint8_t cc) {
  mpegts::Pmt pmt;
  pmt.program_number = program;
  pmt.pcr_pid = Pid{kVideoOf[program]};
  pmt.streams = {{0x1B, Pid{kVideoOf[program]}, {}}};
  return mpegts::pack_section(Pid{kPmtOf[program]}, pmt.to_section(), cc);
}

mpegts::SdtService service(std::uint16_t id, const std::string& name) {
  mpegts::SdtService entry;
  entry.service_id = id;
  entry.descriptors.bytes = {0x48, static_cast<std::uint8_t>(3 + name.size()), 1, 0,
                             static_cast<std::uint8_t>(name.size())};
  entry.descriptors.bytes.insert(entry.descriptors.bytes.end(), name.begin(), name.end());
  return entry;
}

FrameBytes sdt_packet(std::uint8_t cc) {
  mpegts::Sdt sdt;
  sdt.transport_stream_id = 7;
  sdt.services = {service(1, "News"), service(2, "Films & Series")};
  return mpegts::pack_section(mpegts::kSdtPid, sdt.to_section(), cc);
}

struct Sections : mpegts::SectionSink {
  void on_section(Pid, std::span<const std::uint8_t> section) noexcept override {
    last.assign(section.begin(), section.end());
  }
  void on_crc_error(Pid) noexcept override { ADD_FAILURE(); }
  FrameBytes last;
};

FrameBytes last_section(const FrameBytes& stream, Pid pid) {
  Sections sections;
  mpegts::SectionAssembler assembler(pid);
  for (std::size_t at = 0; at < stream.size(); at += 188) {
    const mpegts::TsPacket packet(std::span<const std::uint8_t>(stream).subspan(at).first<188>());
    if (packet.pid() == pid) assembler.on_packet(packet, sections);
  }
  return sections.last;
}

std::map<std::uint16_t, FrameBytes> by_pid(const FrameBytes& stream) {
  std::map<std::uint16_t, FrameBytes> out;
  for (std::size_t at = 0; at + 188 <= stream.size(); at += 188) {
    const std::span<const std::uint8_t, 188> bytes =
        std::span<const std::uint8_t>(stream).subspan(at).first<188>();
    FrameBytes& to = out[mpegts::TsPacket(bytes).pid().value];
    to.insert(to.end(), bytes.begin(), bytes.end());
  }
  return out;
}

class CutTest : public WorkerTest {
 protected:
  protocol::FastpathState with_program(const protocol::Program& program) {
    auto wanted = state();
    wanted.channels = {channel("a", "239.1.1.1", "239.2.1.1")};
    wanted.channels[0].inputs[0].program = program;
    return wanted;
  }
  // Everything that went out, as one stream.
  FrameBytes sent_stream() {
    std::vector<FrameBytes> parts;
    for (const FrameBytes& frame : sent()) parts.push_back(payload_of(frame));
    return join_bytes(parts);
  }
  void tables(std::uint8_t cc) {
    receive(udp_frame(join_bytes({sdt_packet(cc), pat_packet(cc), pmt_packet(1, cc), pmt_packet(2, cc)})));
  }
};

TEST_F(CutTest, ServiceAloneLeavesUnderItsOwnTablesByNumberAndByName) {
  for (const protocol::Program& program :
       {protocol::Program(std::uint16_t{2}), protocol::Program(std::string("films & series"))}) {
    apply(with_program(program));
    FrameBytes video;
    for (std::uint8_t i = 0; i < 30; ++i) {
      if (i % 10 == 0) tables(i / 10);
      const FrameBytes ours = ts_packet(kVideoOf[2], i, i);
      receive(udp_frame(join_bytes({ts_packet(kVideoOf[1], i, 1), ours, ts_packet(0x1FFF, 0, 0xFF)})));
      video.insert(video.end(), ours.begin(), ours.end());
    }
    wait(30'000'000);
    const FrameBytes out = sent_stream();
    auto pids = by_pid(out);
    EXPECT_EQ(pids.size(), 4U);
    EXPECT_EQ(pids[kVideoOf[2]], video) << "bit-exact, nothing lost, in order";
    EXPECT_EQ(last_section(out, Pid{kPmtOf[2]}), last_section(pmt_packet(2, 0), Pid{kPmtOf[2]}));
    const auto pat = mpegts::Pat::parse(last_section(out, mpegts::kPatPid));
    ASSERT_TRUE(pat);
    EXPECT_EQ(pat->entries, (std::vector<mpegts::PatEntry>{{2, Pid{kPmtOf[2]}}}));
    const auto sdt = mpegts::Sdt::parse(last_section(out, mpegts::kSdtPid));
    ASSERT_TRUE(sdt);
    ASSERT_EQ(sdt->services.size(), 1U);
    EXPECT_EQ(sdt->services[0].name(), "Films & Series");
    EXPECT_EQ(input("a")->program_number.load(), 2U);
    EXPECT_EQ(input("a")->service_state.load(), 4U) << "running";
    EXPECT_EQ(input("a")->cc_errors.load(), 0U);
    apply(state());
  }
}

TEST_F(CutTest, LeavesAsTheMapSaysAndTakesOtherTextsWithoutABreak) {
  auto wanted = with_program(std::uint16_t{2});
  wanted.channels[0].inputs[0].program.reset();
  wanted.channels[0].remux =
      protocol::RemuxState{101, {}, {{"video", 0, 0x42}, {"pmt", 0, 0x41}}, "Us", "First"};
  apply(wanted);
  std::uint8_t counter = 0;
  const auto second = [&] {
    for (int i = 0; i < 40; ++i) {
      if (i % 10 == 0) tables(counter / 10);
      receive(udp_frame(
          join_bytes({ts_packet(kVideoOf[1], counter, counter), ts_packet(kVideoOf[2], counter, 0)})));
      ++counter;
      wait(30'000'000);
    }
    return sent_stream();
  };
  FrameBytes out = second();
  auto pids = by_pid(out);
  EXPECT_EQ(pids.size(), 4U) << "PAT, SDT, PMT, video of the lowest service";
  EXPECT_EQ(pids[0x42].size(), 40U * 188);
  const auto pat = mpegts::Pat::parse(last_section(out, mpegts::kPatPid));
  ASSERT_TRUE(pat);
  EXPECT_EQ(pat->entries, (std::vector<mpegts::PatEntry>{{101, Pid{0x41}}}));
  const auto name = [&] {
    return mpegts::Sdt::parse(last_section(out, mpegts::kSdtPid))->services.at(0).name();
  };
  EXPECT_EQ(name(), "First");
  EXPECT_EQ(input("a")->services_seen.load(), 2U);
  EXPECT_EQ(input("a")->program_number.load(), 1U) << "of the source";
  wanted.channels[0].remux->name = "Second";
  apply(wanted);
  out = second();
  EXPECT_EQ(name(), "Second");
  const auto first = by_pid(out)[0x42];
  EXPECT_EQ(first[3] & 0x0F, 40 & 0x0F) << "it went on";
  EXPECT_EQ(mpegts::section_version(last_section(out, mpegts::kSdtPid)), 1);
  wanted.channels[0].remux->pids[0].to = 0x43;
  apply(wanted);
  out = second();
  EXPECT_EQ(by_pid(out).count(0x42), 0U);
  EXPECT_GE(by_pid(out)[0x43].size(), 39U * 188);
  wanted.channels[0].remux->pids[0].role = "vidoe";
  EXPECT_NE(refusal(wanted), "");
}

TEST_F(CutTest, PacketsLeaveBySevensAndTheRestAfterTwentyMilliseconds) {
  apply(with_program(std::uint16_t{2}));
  tables(0);
  wait(30'000'000);
  sent();
  for (std::uint8_t i = 0; i < 9; ++i) receive(udp_frame(ts_packet(kVideoOf[2], i, i)));
  auto frames = sent();
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(payload_of(frames[0]).size(), 7U * 188);
  wait(17'000'000);  // the oldest of the two has waited 18 ms
  EXPECT_TRUE(sent().empty());
  wait(3'000'000);
  frames = sent();
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(payload_of(frames[0]), join_bytes({ts_packet(kVideoOf[2], 7, 7), ts_packet(kVideoOf[2], 8, 8)}));
}

TEST_F(CutTest, DatagramWithoutABufferIsCounted) {
  apply(with_program(std::uint16_t{2}));
  tables(0);
  wait(30'000'000);
  sent();
  const auto buffers = take_buffers();
  for (std::uint8_t i = 0; i < 7; ++i) receive(udp_frame(ts_packet(kVideoOf[2], i, i)));
  EXPECT_TRUE(sent().empty());
  EXPECT_EQ(stats().outputs[0].drops[static_cast<std::size_t>(DropReason::repack_no_buffer)].load(), 1U);
  EXPECT_EQ(stats().outputs[0].drops[static_cast<std::size_t>(DropReason::output_no_buffer)].load(), 0U);
  give_back(buffers);
  for (std::uint8_t i = 7; i < 14; ++i) receive(udp_frame(ts_packet(kVideoOf[2], i, i)));
  EXPECT_EQ(sent().size(), 1U);
}

TEST_F(CutTest, PacketsThatWaitLeaveWithTheChannel) {
  apply(with_program(std::uint16_t{2}));
  tables(0);
  wait(30'000'000);
  sent();
  receive(udp_frame(ts_packet(kVideoOf[2], 0, 1)));
  apply(state());
  const auto frames = sent();
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(payload_of(frames[0]), ts_packet(kVideoOf[2], 0, 1));
}

TEST_F(CutTest, TimelineGoesOnAfterARestartWhateverTheOtherServicesClockSays) {
  auto wanted = with_program(std::uint16_t{2});
  wanted.channels[0].to_bridge = true;
  apply(wanted);
  auto consumer = *ring::Consumer::open(folder + "/ring");
  std::int64_t offset = 0;
  std::int64_t timeline = 0;
  int discontinuities = 0;
  std::uint64_t ticks = 1000 * kTick;
  const auto run = [&](int seconds) {
    for (int i = 0; i < 25 * seconds; ++i) {
      ticks += kTick / 25;
      now_ns += 39'000'000;
      // The other service's clock stands a thousand seconds elsewhere, and comes first.
      receive(udp_frame(pcr_packet(kVideoOf[1], 0, ticks + 1000 * kTick)));
      if (i % 5 == 0)
        tables(static_cast<std::uint8_t>(i / 5));
      else
        now_ns += 1'000'000;
      now_ns -= 1'000'000;
      receive(udp_frame(pcr_packet(kVideoOf[2], 0, ticks)));
      worker->publish_all();
    }
    consumer->poll(10'000, [&](const ring::Slot& slot) {
      if ((slot.flags & ring::kSlotDiscontinuity) != 0) ++discontinuities;
      if ((slot.flags & ring::kSlotTimeline) == 0) return;
      EXPECT_GE(slot.timeline, timeline);
      timeline = slot.timeline;
      offset = slot.offset;
    });
  };
  run(1);
  // A jump of the source's clock: from here on the offset tells this channel from a fresh one.
  ticks += 5000 * kTick;
  run(4);
  EXPECT_EQ(discontinuities, 1);
  EXPECT_NE(offset, 0);
  const std::int64_t before = offset;
  auto none = state();
  apply(none);    // the inputs are gone, as after a kill
  apply(wanted);  // and come back from what was saved
  run(1);
  EXPECT_EQ(offset, before);
  EXPECT_EQ(discontinuities, 1);
}

TEST_F(CutTest, CapturedMultiplexGivesItsServiceBitExact) {
  const char* folder_name = std::getenv("HEADGATE_STREAMS");
  if (folder_name == nullptr) GTEST_SKIP() << "HEADGATE_STREAMS is not set";
  const auto path = std::filesystem::path(folder_name) / "mpts-dvbt-it-8prog.ts";
  std::ifstream file(path, std::ios::binary);
  if (!file) GTEST_SKIP() << path << " is not there";
  const FrameBytes source{std::istreambuf_iterator<char>(file), {}};
  for (const std::uint16_t program : std::initializer_list<std::uint16_t>{3401, 3411, 3406}) {
    SCOPED_TRACE(program);
    apply(with_program(program));
    std::vector<FrameBytes> out;
    for (std::size_t at = 0; at + 1316 <= source.size(); at += 1316) {
      receive(udp_frame({source.begin() + static_cast<std::ptrdiff_t>(at),
                         source.begin() + static_cast<std::ptrdiff_t>(at + 1316)}));
      out.push_back(sent_stream());
    }
    wait(30'000'000);
    out.push_back(sent_stream());
    const FrameBytes cut = join_bytes(out);
    const auto pat = mpegts::Pat::parse(last_section(cut, mpegts::kPatPid));
    ASSERT_TRUE(pat);
    ASSERT_EQ(pat->entries.size(), 1U);
    EXPECT_EQ(pat->entries[0].program_number, program);
    const auto pmt = mpegts::Pmt::parse(last_section(cut, pat->entries[0].pid));
    ASSERT_TRUE(pmt);
    auto was = by_pid(source);
    auto is = by_pid(cut);
    std::set<std::uint16_t> allowed{0, 0x11, 0x12, 0x14, pat->entries[0].pid.value, pmt->pcr_pid.value};
    for (const auto& stream : pmt->streams) {
      allowed.insert(stream.pid.value);
      const FrameBytes& whole = was[stream.pid.value];
      const FrameBytes& part = is[stream.pid.value];
      ASSERT_LE(part.size(), whole.size());
      EXPECT_TRUE(std::equal(part.rbegin(), part.rend(), whole.rbegin())) << "PID " << stream.pid.value;
    }
    EXPECT_GT(is[pmt->pcr_pid.value].size(), was[pmt->pcr_pid.value].size() / 2);
    for (const auto& [pid, packets] : is) EXPECT_TRUE(packets.empty() || allowed.contains(pid)) << pid;
    apply(state());
  }
}

}  // namespace
}  // namespace headgate::fastpath
