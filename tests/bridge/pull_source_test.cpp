// The three pulls, in real time but briefly.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "dataplane/bridge/pull/pull.h"
#include "tests/bridge/pull_support.h"
#include "tests/support/cpu_wait.h"

namespace headgate::bridge::pull {
namespace {

using namespace std::chrono_literals;
using test::Bytes;
using test::FakeEntry;
using test::make_ts;
using test::numbers;
using test::Web;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

class PullSource : public testing::Test {
 protected:
  bool run(const std::function<bool()>& done, std::chrono::milliseconds limit = 60s) {
    return test::run_until(context, done, limit);
  }
  void run_for(std::chrono::milliseconds time) {
    run([] { return false; }, time);
  }
  boost::asio::io_context context;
};

class PullFile : public PullSource {
 protected:
  PullFile()
      : path(testing::TempDir() + "pull_file_test_" + std::to_string(::getpid()) + ".ts"), entry(path) {}
  ~PullFile() override { std::filesystem::remove(path); }
  void put(const Bytes& bytes) {
    const std::string part = path + ".part";
    std::ofstream(part, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    std::filesystem::rename(part, path);
  }
  std::string path;
  FakeEntry entry;
};

TEST_F(PullFile, PlaysInRealTimeAndOverAgain) {
  put(make_ts(0.5));  // 500 packets
  const auto began = test::Clock::now();
  const auto waited = headgate::test::waited_for_cpu();
  const auto source = make_file(context, entry);
  ASSERT_TRUE(run([&] { return entry.media.size() >= 1300 * 188; }));
  const auto took = test::Clock::now() - began;
  EXPECT_GT(took, 1200ms);
  EXPECT_LT(took, 2500ms + headgate::test::waited_for_cpu() - waited);
  EXPECT_EQ(entry.times_attached(), 1U);
  EXPECT_EQ(entry.gaps.size(), 0U);
  // Continuity goes on across the loops.
  for (std::size_t at = 0; at < entry.media.size(); at += 188) {
    ASSERT_EQ(entry.media[at + 3] & 15, (at / 188) & 15) << at / 188;
  }
  EXPECT_GE(std::stoi(entry.status().details["loops"]), 2);
}

TEST_F(PullFile, TakesUpAReplacedFileAtTheLoop) {
  put(make_ts(0.3));
  const auto source = make_file(context, entry);
  ASSERT_TRUE(run([&] { return !entry.media.empty(); }));
  put(make_ts(0.3, 1'504'000, 50'000));
  ASSERT_TRUE(run([&] {
    const auto seen = numbers(entry.media);
    return !seen.empty() && seen.back() >= 50'000;
  }));
  ASSERT_FALSE(entry.gaps.empty());
  EXPECT_EQ(numbers(entry.media)[entry.gaps[0] / 188], 50'000U);
  EXPECT_EQ(entry.ended.size(), 0U);
}

TEST_F(PullFile, AFileThatVanishesIsAnErrorUntilItIsBack) {
  put(make_ts(0.3));
  const auto source = make_file(context, entry);
  ASSERT_TRUE(run([&] { return !entry.media.empty(); }));
  std::filesystem::remove(path);
  ASSERT_TRUE(run([&] { return !entry.ended.empty(); }));
  EXPECT_EQ(entry.ended[0], "can't read " + path + ": No such file or directory");
  EXPECT_EQ(entry.media.size() % (300 * 188), 0U);  // to its end
  ASSERT_TRUE(run([&] { return !entry.failures.empty(); }));
  EXPECT_EQ(entry.failures[0], entry.ended[0]);
  put(make_ts(0.3));
  EXPECT_TRUE(run([&] { return entry.times_attached() == 2; }));
}

TEST_F(PullFile, NamesWhatItCannotPlay) {
  const auto first_failure = [&](const std::string& where) {
    FakeEntry one(where);
    const auto source = make_file(context, one);
    EXPECT_TRUE(run([&] { return !one.failures.empty(); }));
    EXPECT_EQ(one.times_attached(), 0U);
    return one.failures.empty() ? "" : one.failures[0];
  };
  EXPECT_EQ(first_failure("/nonexistent/x.ts"), "can't read /nonexistent/x.ts: No such file or directory");
  EXPECT_EQ(first_failure("/"), "can't play /: it is no file");
  put(Bytes(100'000, 7));
  EXPECT_EQ(first_failure(path),
            "can't play " + path + ": no transport stream: no sync bytes in the first 65536 bytes");
  put({});
  EXPECT_EQ(first_failure(path), "can't play " + path + ": no transport stream: it is empty");
  Bytes longer;
  const Bytes stream = make_ts(0.1);
  for (std::size_t at = 0; at < stream.size(); at += 188) {
    longer.insert(longer.end(), stream.begin() + static_cast<std::ptrdiff_t>(at),
                  stream.begin() + static_cast<std::ptrdiff_t>(at + 188));
    longer.insert(longer.end(), 16, 0);
  }
  put(longer);
  EXPECT_THAT(first_failure(path), HasSubstr("204 bytes are not supported, only of 188"));
  const std::string fifo = path + ".fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_THAT(first_failure(fifo), HasSubstr("it is no file"));
  std::filesystem::remove(fifo);
}

TEST_F(PullFile, AFileOfOnePacketDoesNotTakeTheThread) {
  put(Bytes(188, 0x47));
  const auto source = make_file(context, entry);
  int turns = 0;
  run([&] { return ++turns > 50; });
  EXPECT_GT(turns, 50);
}

class PullHttpTs : public PullSource {
 protected:
  Web web{context};
};

TEST_F(PullHttpTs, PlaysAnAnswerThatCameAtOnceInRealTimeAndTriesAgainAtItsEnd) {
  const Bytes stream = make_ts(1);
  web.answer = [&](const Web::Request&) { return Web::Answer{Web::ok(stream), Web::Then::close}; };
  FakeEntry entry(web.url("/live.ts"));
  const auto began = test::Clock::now();
  const auto source = make_http_ts(context, entry);
  ASSERT_TRUE(run([&] { return !entry.ended.empty(); }));
  EXPECT_GT(test::Clock::now() - began, 900ms);
  EXPECT_EQ(entry.media, stream);
  EXPECT_EQ(entry.ended[0], "the server ended the stream");
  EXPECT_TRUE(run([&] { return entry.times_attached() == 2; }));
}

TEST_F(PullHttpTs, NamesWhatIsWrong) {
  const auto first_failure = [&](const Web::Answer& answer) {
    web.answer = [&](const Web::Request&) { return answer; };
    FakeEntry entry(web.url("/x", "user:secret@"));
    const auto source = make_http_ts(context, entry);
    EXPECT_TRUE(run([&] { return !entry.failures.empty(); }));
    EXPECT_EQ(entry.times_attached(), 0U);
    const std::string why = entry.failures.empty() ? "" : entry.failures[0];
    EXPECT_EQ(why.find("secret"), std::string::npos);
    return why;
  };
  EXPECT_EQ(first_failure({Web::status("404 Not Found")}), "the server answers 404 Not Found");
  EXPECT_EQ(first_failure({Web::status("401 Unauthorized")}),
            "401 Unauthorized: user or password are missing or wrong");
  EXPECT_EQ(first_failure({Web::ok("<html>hello", "text/html")}),
            "no transport stream, but a web page or XML");
  EXPECT_THAT(first_failure({Web::ok("#EXTM3U\n", "application/vnd.apple.mpegurl")}),
              HasSubstr("an HLS playlist"));
  EXPECT_THAT(first_failure({Web::ok(std::string(200'000, 'x'))}),
              HasSubstr("no sync bytes in the first 65536"));
  EXPECT_THAT(first_failure({Web::ok("x", "video/mp2t", "Content-Encoding: gzip\r\n")}),
              HasSubstr("compresses (gzip)"));
  EXPECT_THAT(first_failure({"garbage\r\n\r\n"}), StartsWith("the answer is no HTTP"));
}

TEST_F(PullHttpTs, PausesBetweenTriesGrow) {
  std::vector<test::Clock::time_point> tries;
  web.answer = [&](const Web::Request&) {
    tries.push_back(test::Clock::now());
    return Web::Answer{Web::status("503 Service Unavailable"), Web::Then::close};
  };
  FakeEntry entry(web.url("/x"));
  const auto source = make_http_ts(context, entry);
  ASSERT_TRUE(run([&] { return tries.size() >= 4; }));
  EXPECT_GT(tries[1] - tries[0], 450ms);
  EXPECT_GT(tries[2] - tries[1], 900ms);
  EXPECT_GT(tries[3] - tries[2], 1900ms);
}

TEST_F(PullHttpTs, AStreamWithoutPcrIsHandedOnAsItComes) {
  Bytes stream = make_ts(10);
  for (std::size_t at = 0; at < stream.size(); at += 188) {
    if ((stream[at + 3] & 0x20) != 0) stream[at + 5] = 0;  // the flag of the PCR
  }
  web.answer = [&](const Web::Request&) {
    return Web::Answer{Web::ok(stream), Web::Then::close, 188 * 100, 100ms};
  };
  FakeEntry entry(web.url("/live.ts"));
  const auto source = make_http_ts(context, entry);
  ASSERT_TRUE(run([&] { return entry.media.size() > 3000 * 188; }));
  EXPECT_TRUE(std::equal(entry.media.begin(), entry.media.end(), stream.begin()));
  // From then on without delay: what the server sent is here, but for its last two pieces.
  for (int i = 0; i < 10; ++i) {
    run_for(100ms);
    EXPECT_GE(entry.media.size() + 2 * 188 * 100, web.sent);
  }
}

TEST_F(PullHttpTs, AnAddressThatIsNoneIsAnErrorWithoutTheAddress) {
  FakeEntry entry("http://user:secret@");
  const auto source = make_http_ts(context, entry);
  ASSERT_TRUE(run([&] { return !entry.failures.empty(); }));
  EXPECT_EQ(entry.failures[0], "the host is missing");
}

// A live playlist of segments of half a second whose numbers say what came.
class PullHls : public PullSource {
 protected:
  static constexpr double kSegment = 0.5;
  static constexpr std::uint32_t kPackets = 500;

  Bytes segment(std::uint64_t number) const {
    return make_ts(kSegment, 1'504'000, static_cast<std::uint32_t>(number * kPackets),
                   10 + static_cast<double>(number) * kSegment);
  }
  // As it stands so long after the start: six segments at first, the last one finished then. None leaves a
  // long window, so that a machine that stands for a while costs no segment.
  std::string playlist() const {
    const auto age = std::chrono::duration<double>(test::Clock::now() - began).count();
    const auto end = 6 + static_cast<std::uint64_t>(age / kSegment);
    const std::uint64_t first = end < window ? 0 : end - window;
    std::string text =
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:" + std::to_string(first) + "\n";
    for (std::uint64_t number = first; number < end; ++number) {
      text += (gaps.contains(number) ? "#EXT-X-GAP\n" : "") + std::string("#EXTINF:0.5,\n") +
              std::to_string(number) + ".ts\n";
    }
    return text;
  }
  void serve() {
    web.answer = [this](const Web::Request& request) -> Web::Answer {
      if (request.target.ends_with(".m3u8")) return {Web::ok(playlist(), "application/vnd.apple.mpegurl")};
      const std::uint64_t number = std::stoull(request.target.substr(request.target.rfind('/') + 1));
      if (missing.contains(number)) return {Web::status("404 Not Found")};
      return {Web::ok(segment(number))};
    };
  }
  std::map<std::string, std::uint64_t>& drops(FakeEntry& entry) { return entry.status().drops; }

  Web web{context};
  test::Clock::time_point began = test::Clock::now();
  std::uint64_t window = 120;
  std::set<std::uint64_t> missing;
  std::set<std::uint64_t> gaps;
};

TEST_F(PullHls, PlaysALivePlaylistWithoutAGap) {
  serve();
  FakeEntry entry(web.url("/a/live.m3u8"));
  const auto source = make_hls(context, entry);
  ASSERT_TRUE(run([&] { return entry.media.size() >= 5000 * 188; }, 20s));
  const auto seen = numbers(entry.media);
  // Two targets from the edge: four segments.
  EXPECT_EQ(seen[0], 2 * kPackets);
  for (std::size_t i = 0; i < seen.size(); ++i) ASSERT_EQ(seen[i], seen[0] + i);
  EXPECT_EQ(entry.times_attached(), 1U);
  EXPECT_TRUE(entry.ended.empty() && entry.failures.empty() && entry.gaps.empty());
  EXPECT_TRUE(drops(entry).empty());
  EXPECT_EQ(web.connections, 2U);  // kept
  // In real time, after the first; later where the machine stands.
  const double took =
      std::chrono::duration<double>(entry.marks.back().first - entry.marks.front().first).count();
  EXPECT_GT(took, static_cast<double>(entry.media.size() / 188) / 1000 - 0.3);
}

TEST_F(PullHls, TakesTheHighestVariantAndNamesSoundThatStaysOutside) {
  serve();
  const auto inner = web.answer;
  web.answer = [&, inner](const Web::Request& request) -> Web::Answer {
    if (request.target == "/index.m3u8") {
      return {
          Web::ok("#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"English\",LANGUAGE=\"eng\",URI="
                  "\"en.m3u8\"\n"
                  "#EXT-X-STREAM-INF:BANDWIDTH=100\nlow/x.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=900,AUDIO=\"a\"\n"
                  "high/x.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=500\nmiddle/x.m3u8\n")};
    }
    EXPECT_TRUE(request.target.starts_with("/high/")) << request.target;
    return inner(request);
  };
  FakeEntry entry(web.url("/index.m3u8"));
  const auto source = make_hls(context, entry);
  ASSERT_TRUE(run([&] { return entry.media.size() > 100 * 188; }));
  ASSERT_EQ(entry.status().left_out.size(), 1U);
  EXPECT_EQ(entry.status().left_out[0].track.language, "eng");
}

TEST_F(PullHls, CountsSegmentsThatAreMissingOrMarkedSo) {
  serve();
  missing = {5};
  gaps = {4};
  FakeEntry entry(web.url("/live.m3u8"));
  const auto source = make_hls(context, entry);
  ASSERT_TRUE(run([&] { return !entry.media.empty() && numbers(entry.media).back() > 7 * kPackets; }, 20s));
  EXPECT_EQ(drops(entry)["segment_missing"], 1U);
  EXPECT_EQ(drops(entry)["segment_gap"], 1U);
  ASSERT_EQ(entry.gaps.size(), 1U);
  EXPECT_EQ(numbers(entry.media)[entry.gaps[0] / 188], 6 * kPackets);
  EXPECT_EQ(entry.ended.size(), 0U);
  EXPECT_EQ(std::count_if(web.requests.begin(), web.requests.end(),
                          [](const auto& r) { return r.target == "/5.ts"; }),
            4);
}

// The next one would be played tomorrow.
TEST_F(PullHls, AMissingSegmentThatClaimsADayIsNotWaitedForSoLong) {
  web.answer = [this](const Web::Request& request) -> Web::Answer {
    if (request.target == "/live.m3u8") {
      return {
          Web::ok("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.5,\n0.ts\n#EXT-X-GAP\n#EXTINF:86400,\n"
                  "1.ts\n#EXTINF:0.5,\n2.ts\n#EXT-X-ENDLIST\n")};
    }
    return {Web::ok(segment(request.target == "/0.ts" ? 0 : 2))};
  };
  FakeEntry entry(web.url("/live.m3u8"));
  const auto source = make_hls(context, entry);
  ASSERT_TRUE(run([&] { return entry.status().details["segments"] == "2"; }));
  EXPECT_LT(std::stoll(entry.status().details["behind_ms"]), 65'000);
}

TEST_F(PullHls, ShowsLittleAndOnlyWhatCanBePrintedOfAPlaylist) {
  serve();
  const auto inner = web.answer;
  web.answer = [&, inner](const Web::Request& request) -> Web::Answer {
    if (request.target != "/index.m3u8") return inner(request);
    std::string text = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=9,AUDIO=\"a\",RESOLUTION=\"" +
                       std::string(100'000, '\xFF') + "\"\nx.m3u8\n";
    for (int i = 0; i < 50; ++i) {
      text += "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"\x1B[31m" + std::string(10'000, 'n') +
              "\",LANGUAGE=\"" + std::string(10'000, 'l') + "\",URI=\"y.m3u8\"\n";
    }
    return {Web::ok(text)};
  };
  FakeEntry entry(web.url("/index.m3u8"));
  const auto source = make_hls(context, entry);
  ASSERT_TRUE(run([&] { return !entry.media.empty(); }));
  const auto& status = entry.status();
  EXPECT_LT(status.details.at("variant").size(), 200U);
  EXPECT_EQ(status.details.at("variant").find('\xFF'), std::string::npos);
  EXPECT_EQ(status.left_out.size(), 16U);
  EXPECT_LT(status.left_out[0].reason.size(), 200U);
  EXPECT_EQ(status.left_out[0].reason.find('\x1B'), std::string::npos);
  EXPECT_LE(status.left_out[0].track.language.size(), 100U);
}

TEST_F(PullHls, ASegmentThatBreaksOffIsFetchedAgainFromWhereItWas) {
  serve();
  const auto inner = web.answer;
  int tries = 0;
  web.answer = [&, inner](const Web::Request& request) -> Web::Answer {
    Web::Answer answer = inner(request);
    if (request.target == "/3.ts" && ++tries == 1) {
      answer.bytes.resize(answer.bytes.size() / 2);
      answer.then = Web::Then::close;
    }
    return answer;
  };
  FakeEntry entry(web.url("/live.m3u8"));
  const auto source = make_hls(context, entry);
  ASSERT_TRUE(
      run([&] { return !entry.media.empty() && numbers(entry.media).back() > 4 * kPackets + 100; }, 20s));
  const auto seen = numbers(entry.media);
  for (std::size_t i = 0; i < seen.size(); ++i) ASSERT_EQ(seen[i], seen[0] + i);
  EXPECT_EQ(tries, 2);
  EXPECT_TRUE(drops(entry).empty());
}

TEST_F(PullHls, PlaysACompletePlaylistOnceAndWaits) {
  const std::string text =
      "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.5,\n0.ts\n#EXTINF:0.5,\n1.ts\n#EXT-X-ENDLIST\n";
  serve();
  const auto inner = web.answer;
  web.answer = [&, inner](const Web::Request& request) -> Web::Answer {
    if (request.target == "/vod.m3u8") return {Web::ok(text)};
    return inner(request);
  };
  FakeEntry entry(web.url("/vod.m3u8"));
  const auto source = make_hls(context, entry);
  ASSERT_TRUE(run([&] { return !entry.ended.empty(); }));
  EXPECT_EQ(entry.ended[0], "the playlist has ended (EXT-X-ENDLIST)");
  EXPECT_EQ(entry.media.size(), 1000U * 188);
  run_for(1s);
  EXPECT_EQ(entry.times_attached(), 1U);
  EXPECT_EQ(entry.media.size(), 1000U * 188);
}

TEST_F(PullHls, ByteRangesAreAskedFor) {
  Bytes both = segment(0);
  const Bytes second = segment(1);
  both.insert(both.end(), second.begin(), second.end());
  const std::size_t half = second.size();
  web.answer = [&](const Web::Request& request) -> Web::Answer {
    if (request.target == "/vod.m3u8") {
      const std::string length = std::to_string(half);
      return {Web::ok("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.5,\n#EXT-X-BYTERANGE:" + length +
                      "@0\nall.ts\n#EXTINF:0.5,\n"
                      "#EXT-X-BYTERANGE:" +
                      length + "\nall.ts\n#EXT-X-ENDLIST\n")};
    }
    const std::size_t at = request.head.find("Range: bytes=") + 13;
    const std::size_t first = std::stoul(request.head.substr(at));
    std::string answer = Web::ok(Bytes(both.begin() + static_cast<std::ptrdiff_t>(first),
                                       both.begin() + static_cast<std::ptrdiff_t>(first + half)));
    return {answer.replace(9, 6, "206 PC")};
  };
  FakeEntry entry(web.url("/vod.m3u8"));
  const auto source = make_hls(context, entry);
  ASSERT_TRUE(run([&] { return !entry.ended.empty(); }));
  EXPECT_EQ(entry.media, both);
}

TEST_F(PullHls, NamesWhatIsWrong) {
  const auto first_failure = [&](const std::string& playlist, const std::string& other = "") {
    web.answer = [=](const Web::Request& request) -> Web::Answer {
      if (request.target == "/x.m3u8") return {playlist};
      return {other};
    };
    FakeEntry entry(web.url("/x.m3u8"));
    const auto source = make_hls(context, entry);
    EXPECT_TRUE(run([&] { return !entry.failures.empty(); }));
    EXPECT_EQ(entry.times_attached(), 0U);
    return entry.failures.empty() ? "" : entry.failures[0];
  };
  const std::string head = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n";
  EXPECT_EQ(first_failure(Web::status("404 Not Found")), "playlist: the server answers 404 Not Found");
  EXPECT_EQ(first_failure(Web::ok("<html>")), "playlist: not a playlist: it does not begin with #EXTM3U");
  EXPECT_EQ(first_failure(Web::ok(head + "#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF:1,\na.ts\n")),
            "playlist: encrypted segments (AES-128) are not supported yet");
  EXPECT_THAT(first_failure(Web::ok(head + "#EXT-X-MAP:URI=\"i.mp4\"\n#EXTINF:1,\na.mp4\n")),
              HasSubstr("not supported yet"));
  EXPECT_EQ(first_failure(Web::ok(head)), "the playlist has no segment yet");
  EXPECT_EQ(first_failure("HTTP/1.1 200 OK\r\n\r\n" + std::string(9 << 20, '\n')),
            "playlist: the playlist is larger than 8 MiB");
  EXPECT_EQ(first_failure(Web::ok(head + "#EXTINF:1,\na.aac\n"), Web::ok("ID3 packed")),
            "segment 0: no transport stream, but packed audio with ID3 tags");
  EXPECT_EQ(first_failure(Web::ok(head + "#EXTINF:1,\nfile:///etc/passwd\n")),
            "segment 0: its address: an address must begin with http:// or https://");
}

TEST_F(PullHls, APlaylistThatStandsStillEndsTheInputAndItsReturnGoesOn) {
  window = 6;
  serve();
  const auto inner = web.answer;
  std::string frozen;
  web.answer = [&, inner](const Web::Request& request) -> Web::Answer {
    if (!frozen.empty() && request.target.ends_with(".m3u8")) return {frozen};
    return inner(request);
  };
  FakeEntry entry(web.url("/live.m3u8"));
  const auto source = make_hls(context, entry);
  ASSERT_TRUE(run([&] { return entry.media.size() > 500 * 188; }));
  frozen = Web::ok(playlist());
  ASSERT_TRUE(run([&] { return !entry.ended.empty(); }));
  EXPECT_EQ(entry.ended[0], "the playlist brings no new segment");
  const auto last = numbers(entry.media).back();
  frozen.clear();
  ASSERT_TRUE(run([&] { return entry.times_attached() == 2; }));
  // What left the playlist meanwhile is counted, and nothing is played twice.
  const auto seen = numbers(entry.media);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  EXPECT_GT(seen.back(), last);
  EXPECT_GT(drops(entry)["segment_late"], 0U);
}

}  // namespace
}  // namespace headgate::bridge::pull
