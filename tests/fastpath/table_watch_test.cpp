// What the tables and clocks of an input say of its health. Streams are generated.
#include "dataplane/fastpath/worker/table_watch.h"

#include "tests/fastpath/made_service.h"

namespace headgate::fastpath {
namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;
constexpr std::uint16_t kPmtPid = 0x20;

void give(TableWatch& watch, const FrameBytes& packets, std::int64_t now_ns) {
  for (std::size_t at = 0; at + 188 <= packets.size(); at += 188)
    watch.on_packet(mpegts::TsPacket(std::span<const std::uint8_t>(packets).subspan(at).first<188>()),
                    now_ns);
}

FrameBytes pat(const std::vector<mpegts::PatEntry>& entries, std::uint8_t cc, std::uint8_t section = 0,
               std::uint8_t last = 0) {
  mpegts::Pat pat;
  pat.transport_stream_id = 1;
  pat.section_number = section;
  pat.last_section_number = last;
  pat.entries = entries;
  return mpegts::pack_section(mpegts::kPatPid, pat.to_section(), cc);
}

FrameBytes pmt(const std::vector<mpegts::PmtStream>& streams, std::uint8_t cc, std::uint16_t program = 1) {
  mpegts::Pmt pmt;
  pmt.program_number = program;
  pmt.pcr_pid = mpegts::Pid{0x100};
  pmt.streams = streams;
  return mpegts::pack_section(mpegts::Pid{kPmtPid}, pmt.to_section(), cc);
}

const std::vector<mpegts::PmtStream> kVideoAndSound{{0x1B, mpegts::Pid{0x100}, {}},
                                                    {0x0F, mpegts::Pid{0x101}, {}}};

FrameBytes scrambled(FrameBytes packet) {
  packet[3] |= 0x80;
  return packet;
}

TEST(TableWatch, TellsWhenPatPmtAndPcrWereLastThere) {
  TableWatch watch;
  EXPECT_EQ(watch.last_pat_ns(), 0);
  MadeService service(1, 27'000'000);
  give(watch, join_bytes(service.next()), kSecondNs);
  EXPECT_EQ(watch.last_pat_ns(), kSecondNs);
  EXPECT_EQ(watch.last_pmt_ns(), kSecondNs);
  EXPECT_EQ(watch.last_pcr_ns(), kSecondNs);
  // The next picture has no tables.
  give(watch, join_bytes(service.next()), 2 * kSecondNs);
  EXPECT_EQ(watch.last_pat_ns(), kSecondNs);
  EXPECT_EQ(watch.last_pmt_ns(), kSecondNs);
  EXPECT_EQ(watch.last_pcr_ns(), 2 * kSecondNs);
  EXPECT_TRUE(watch.tables_expected());
}

TEST(TableWatch, DamagedTablesDontCount) {
  TableWatch watch;
  FrameBytes broken = pat({{1, mpegts::Pid{kPmtPid}}}, 0);
  broken[14] ^= 1;
  give(watch, broken, kSecondNs);
  EXPECT_EQ(watch.last_pat_ns(), 0);
  give(watch, pat({{1, mpegts::Pid{kPmtPid}}}, 1), kSecondNs);
  give(watch, pmt(kVideoAndSound, 0, 2), 2 * kSecondNs);
  EXPECT_EQ(watch.last_pmt_ns(), 0) << "another program's";
}

TEST(TableWatch, NamesASilentStreamAndForgetsItWithItsTable) {
  TableWatch watch;
  give(watch, pat({{1, mpegts::Pid{kPmtPid}}}, 0), kSecondNs);
  give(watch, pmt(kVideoAndSound, 0), kSecondNs);
  EXPECT_FALSE(watch.pid_missing(kSecondNs + TableWatch::kSilenceNs));
  EXPECT_TRUE(watch.pid_missing(kSecondNs + TableWatch::kSilenceNs + 1)) << "listed and never there";
  give(watch, join_bytes({ts_packet(0x100, 0, 1), ts_packet(0x101, 0, 1)}), 2 * kSecondNs);
  EXPECT_FALSE(watch.pid_missing(2 * kSecondNs));
  give(watch, ts_packet(0x100, 1, 1), 3 * kSecondNs);
  EXPECT_TRUE(watch.pid_missing(3 * kSecondNs)) << "no sound for a second";
  give(watch, pmt({kVideoAndSound[0]}, 1), 3 * kSecondNs);
  EXPECT_FALSE(watch.pid_missing(3 * kSecondNs)) << "none is listed any more";
  const mpegts::PmtStream cues{0x86, mpegts::Pid{0x102}, {}};
  give(watch, pmt({kVideoAndSound[0], cues}, 2), 3 * kSecondNs);
  give(watch, ts_packet(0x100, 2, 1), 9 * kSecondNs);
  EXPECT_FALSE(watch.pid_missing(9 * kSecondNs)) << "cues come when they come";
}

TEST(TableWatch, PicturesOrAllSoundAreScrambled) {
  TableWatch watch;
  give(watch, pat({{1, mpegts::Pid{kPmtPid}}}, 0), 1);
  give(watch, pmt(kVideoAndSound, 0), 1);
  give(watch, scrambled(ts_packet(0x101, 0, 1)), 1);
  EXPECT_FALSE(watch.scrambled()) << "sound beside clear pictures";
  give(watch, scrambled(ts_packet(0x100, 0, 1)), 1);
  EXPECT_TRUE(watch.scrambled());
  give(watch, ts_packet(0x100, 1, 1), 1);
  EXPECT_FALSE(watch.scrambled());
  give(watch, pmt({{0x0F, mpegts::Pid{0x101}, {}}, {0x0F, mpegts::Pid{0x103}, {}}}, 1), 1);
  give(watch, scrambled(ts_packet(0x101, 1, 1)), 1);
  EXPECT_FALSE(watch.scrambled()) << "one of two";
  give(watch, scrambled(ts_packet(0x103, 1, 1)), 1);
  EXPECT_TRUE(watch.scrambled());
}

TEST(TableWatch, OfSeveralProgramsAnyPmtCountsAndOfNoneNoneIsExpected) {
  TableWatch watch;
  give(watch, pat({{0, mpegts::Pid{0x10}}}, 0), 1);
  EXPECT_FALSE(watch.tables_expected());
  give(watch, pat({{1, mpegts::Pid{kPmtPid}}}, 1, 0, 1), 2);
  give(watch, pat({{2, mpegts::Pid{0x30}}}, 2, 1, 1), 2);
  EXPECT_TRUE(watch.tables_expected());
  give(watch, pmt(kVideoAndSound, 0), 3);
  EXPECT_EQ(watch.last_pmt_ns(), 3);
  FrameBytes other = pmt(kVideoAndSound, 0, 2);
  other[2] = 0x30;
  give(watch, other, 4);
  EXPECT_EQ(watch.last_pmt_ns(), 4);
  EXPECT_FALSE(watch.pid_missing(100 * kSecondNs));
  EXPECT_FALSE(watch.scrambled());
  // One again: its streams are looked at.
  give(watch, pat({{1, mpegts::Pid{kPmtPid}}}, 3), 5);
  give(watch, pmt(kVideoAndSound, 1), 5);
  EXPECT_TRUE(watch.pid_missing(100 * kSecondNs));
}

}  // namespace
}  // namespace headgate::fastpath
