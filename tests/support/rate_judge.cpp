// Judges a stream of constant rate from its bytes and departure times alone: a program of its own, which
// shares no code with the product.
//
//   rate_judge RATE [LEARNING_S] < datagrams
//
// Standard input: datagrams of 8 bytes of departure time (ns, the machine's byte order) and seven transport
// packets. A line for each PID with PCRs, one for the stream; exit 1 where something is out of its limits.
// References: ISO/IEC 13818-1:2022 2.4.2.1, 2.4.3.3, 2.4.3.5; ETSI TR 101 290 V1.4.1 5.2.2 2.3, 2.4, 5.3.2.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

constexpr int kPacket = 188;
constexpr int kPackets = 7;
constexpr std::int64_t kTurn = (std::int64_t{1} << 33) * 300;
constexpr double kHz = 27e6;
constexpr double kWindow = 10;           // seconds, for one straight line
constexpr double kMostInterval = 0.035;  // between PCRs, by position
constexpr double kMostNs = 100;          // PCR_AC
constexpr double kMostLearningNs = 550;  // and while clocks up to 60 ppm apart are learnt
constexpr double kClockPpm = 100;        // of the output's clock against ours

struct Pcrs {
  bool seen = false;
  std::int64_t value = 0;
  std::int64_t elapsed = 0;
  double at = 0;  // seconds by position
  std::uint64_t count = 0;
  double longest = 0;
  double began = 0;
  std::vector<std::pair<double, double>> points;  // ticks by position and by PCR, since `began`
  double worst_ns = 0, worst_learning_ns = 0, ppm = 0;
  std::uint64_t jumps = 0;
};

// The farthest from the least-squares line, in ns.
double off_line(const std::vector<std::pair<double, double>>& points, double& slope) {
  double mx = 0, my = 0, xx = 0, xy = 0;
  for (const auto& [x, y] : points) mx += x, my += y;
  mx /= static_cast<double>(points.size());
  my /= static_cast<double>(points.size());
  for (const auto& [x, y] : points) xx += (x - mx) * (x - mx), xy += (x - mx) * (y - my);
  slope = xx > 0 ? xy / xx : 1;
  double worst = 0;
  for (const auto& [x, y] : points) worst = std::max(worst, std::abs(y - my - slope * (x - mx)));
  return worst * 1e9 / kHz;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const double rate = std::atof(argv[1]);
  const double learning = argc > 2 ? std::atof(argv[2]) : 0;
  const double packet_s = kPacket * 8 / rate;
  const double nominal = rate / (kPacket * kPackets * 8);
  const double tolerance = 1 + nominal * kClockPpm * 1e-6 + 1e-6;

  std::vector<Pcrs> pcrs(8192);
  std::vector<int> counters(8192, -1);
  // Departures of the last second, a ring.
  std::vector<std::int64_t> departures(static_cast<std::size_t>(nominal) + 8192);
  std::size_t oldest = 0, newest = 0, within = 0;
  std::uint64_t position = 0, nulls = 0, syncs = 0, discontinuities = 0, back = 0, datagrams = 0;
  double least = nominal, most = nominal;
  std::int64_t first_ns = 0, last_ns = 0;

  std::vector<unsigned char> in(std::size_t{8 + kPacket * kPackets} * 1024);
  constexpr std::size_t kRecord = 8 + kPacket * kPackets;
  while (const std::size_t got = std::fread(in.data(), kRecord, in.size() / kRecord, stdin)) {
    for (std::size_t d = 0; d < got; ++d) {
      const unsigned char* record = in.data() + d * kRecord;
      std::int64_t departure = 0;
      std::memcpy(&departure, record, 8);
      if (datagrams++ == 0) first_ns = departure;
      if (departure < last_ns) ++back;
      last_ns = departure;
      // Every second that ends at a datagram, with it and without it.
      while (within > 0 && departures[oldest] <= departure - 1'000'000'000) {
        oldest = (oldest + 1) % departures.size();
        --within;
      }
      const bool whole = departure - first_ns > 1'000'000'000;
      if (whole) least = std::min(least, static_cast<double>(within));
      departures[newest] = departure;
      newest = (newest + 1) % departures.size();
      if (++within >= departures.size())
        return std::puts("more datagrams in a second than twice the rate"), 1;
      if (whole) most = std::max(most, static_cast<double>(within));

      for (int i = 0; i < kPackets; ++i, ++position) {
        const unsigned char* p = record + 8 + i * kPacket;
        if (p[0] != 0x47) ++syncs;
        const int pid = (p[1] & 0x1F) << 8 | p[2];
        if (pid == 0x1FFF) {
          ++nulls;
          continue;
        }
        const int counter = p[3] & 15;
        const int expected = counters[pid] < 0 ? counter : (counters[pid] + (p[3] >> 4 & 1)) & 15;
        if (counter != expected) ++discontinuities;
        counters[pid] = counter;
        if ((p[3] & 0x20) == 0 || p[4] < 7 || (p[5] & 0x10) == 0) continue;
        const std::int64_t base = std::int64_t{p[6]} << 25 | p[7] << 17 | p[8] << 9 | p[9] << 1 | p[10] >> 7;
        const std::int64_t pcr = base * 300 + ((p[10] & 1) << 8 | p[11]);
        const double at = static_cast<double>(position) * packet_s;
        Pcrs& of = pcrs[pid];
        ++of.count;
        if (of.seen) {
          const std::int64_t step = ((pcr - of.value) % kTurn + kTurn) % kTurn;
          of.elapsed += step;
          of.longest = std::max(of.longest, at - of.at);
          if (std::abs(static_cast<double>(step) / kHz - (at - of.at)) > 50e-6 || (p[5] & 0x80) != 0)
            ++of.jumps;
        }
        of.seen = true;
        of.value = pcr;
        of.at = at;
        if (of.points.empty()) {
          of.began = at;
          of.elapsed = 0;
        }
        of.points.emplace_back((at - of.began) * kHz, static_cast<double>(of.elapsed));
        if (at - of.began < kWindow) continue;
        double slope = 1;
        const double off = off_line(of.points, slope);
        of.ppm = (slope - 1) * 1e6;
        double& worst = of.began < learning ? of.worst_learning_ns : of.worst_ns;
        worst = std::max(worst, off);
        of.points.clear();
      }
    }
  }

  bool good = datagrams > 0 && syncs == 0 && discontinuities == 0 && back == 0;
  std::size_t programs = 0;
  for (std::size_t pid = 0; pid < pcrs.size(); ++pid) {
    const Pcrs& of = pcrs[pid];
    if (!of.seen) continue;
    ++programs;
    std::printf(
        "PID 0x%zx: %llu PCRs, up to %.2f ms apart, PCR_AC %.0f ns (the first %.0f s: %.0f ns), in the end "
        "%+.2f ppm\n",
        pid, static_cast<unsigned long long>(of.count), of.longest * 1e3, of.worst_ns, learning,
        of.worst_learning_ns, of.ppm);
    good = good && of.longest <= kMostInterval && of.worst_ns <= kMostNs && of.jumps == 0 &&
           of.worst_learning_ns <= kMostLearningNs;
  }
  std::printf(
      "%.0f bit/s: %llu datagrams in %.1f s, in any second %.0f to %.0f of %.2f; %.1f %% null packets; %llu "
      "continuity errors, %llu without sync\n",
      rate, static_cast<unsigned long long>(datagrams), static_cast<double>(last_ns - first_ns) / 1e9, least,
      most, nominal,
      100.0 * static_cast<double>(nulls) / static_cast<double>(std::max<std::uint64_t>(position, 1)),
      static_cast<unsigned long long>(discontinuities), static_cast<unsigned long long>(syncs));
  good = good && programs > 0 && least >= nominal - tolerance && most <= nominal + tolerance;
  return good ? 0 : 1;
}
