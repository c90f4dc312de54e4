#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "control/cli/commands.h"
#include "control/cli/report.h"
#include "control/cli/tap_reader.h"
#include "control/cli/udp_socket.h"
#include "control/protocol/message.h"
#include "mpegts/monitor/es_probe.h"
#include "mpegts/monitor/stream_analyzer.h"
#include "mpegts/packet/packet_reader.h"

namespace headgate::control {
namespace {

using SteadyClock = std::chrono::steady_clock;
using nlohmann::json;

constexpr std::size_t kPacketWithParity = 204;
constexpr std::size_t kMostPackets = 7;  // that a datagram of the gateway holds
constexpr std::chrono::seconds kAnswerBound{10};

int fail(const std::string& message, int status = 1) {
  fmt::print(stderr, "headgate: {}\n", message);
  return status;
}

ProbeContext context_of(const ProbeOptions& options) {
  ProbeContext context;
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) == 0) context.host = host.data();
  context.version = HEADGATE_VERSION;
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  context.unix_ns = std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
  context.all_pids = options.all;
  return context;
}

void show(const CommonOptions& common, const std::string& source, const mpegts::StreamReport& report,
          const Reception& reception, const ProbeContext& context) {
  if (common.json)
    fmt::print("{}\n", report_json(source, report, reception, context)
                           .dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  else
    fmt::print("{}", render_report(source, report, reception, context));
}

int probe_file(const CommonOptions& common, const ProbeOptions& options) {
  const std::string& path = options.source;
  const ProbeContext context = context_of(options);
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return fail("can't read " + path + ": " + std::strerror(errno));
  mpegts::StreamAnalyzer analyzer(mpegts::es_codec_probes());
  analyzer.model_decoder();
  mpegts::PacketReader reader;
  std::vector<std::uint8_t> block(1 << 20);
  for (bool more = true; more;) {
    const ssize_t n = ::read(file.get(), block.data(), block.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail("can't read " + path + ": " + std::strerror(errno));
    more = n > 0;
    if (more)
      reader.push({block.data(), static_cast<std::size_t>(n)});
    else
      reader.finish();
    while (const auto item = reader.next()) analyzer.on_packet(item->packet);
  }
  analyzer.set_sync(reader.counters(), reader.packet_size());
  const auto report = analyzer.report();
  if (report.packets == 0) return fail(path + ": no transport packets in it");
  show(common, path, report, {}, context);
  return 0;
}

class LiveProbe {
 public:
  explicit LiveProbe(bool rtp) : rtp_(rtp) {}

  void listen(int fd, std::chrono::milliseconds time) {
    const auto end = SteadyClock::now() + time;
    for (auto now = SteadyClock::now(); now < end; now = SteadyClock::now()) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - now).count() + 1;
      pollfd entry{fd, POLLIN, 0};
      if (::poll(&entry, 1, static_cast<int>(left)) > 0) receive(fd);
    }
  }

  mpegts::StreamReport report() const { return analyzer_.report(); }
  const Reception& reception() const { return reception_; }

 private:
  void receive(int fd) {
    alignas(cmsghdr) std::array<char, 256> control;
    iovec part{buffer_.data(), buffer_.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t n = ::recvmsg(fd, &message, MSG_DONTWAIT);
    if (n < 0) return;
    on_datagram({buffer_.data(), static_cast<std::size_t>(n)}, arrival(message));
  }

  // The kernel's own time of reception, free of this program's scheduling.
  std::int64_t arrival(msghdr& message) {
    timespec at{};
    ::clock_gettime(CLOCK_REALTIME, &at);
    for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
      if (part->cmsg_level != SOL_SOCKET) continue;
      if (part->cmsg_type == SCM_TIMESTAMPNS) std::memcpy(&at, CMSG_DATA(part), sizeof at);
      if (part->cmsg_type == SO_RXQ_OVFL) {
        std::uint32_t drops = 0;
        std::memcpy(&drops, CMSG_DATA(part), sizeof drops);
        reception_.kernel_drops = drops;
      }
    }
    return std::int64_t{at.tv_sec} * 1'000'000'000 + at.tv_nsec;
  }

  void on_datagram(std::span<const std::uint8_t> datagram, std::int64_t at) {
    ++reception_.datagrams;
    if (rtp_) {
      const auto rtp = parse_rtp(datagram);
      if (!rtp) {
        ++reception_.not_ts;
        return;
      }
      on_sequence(rtp->sequence);
      datagram = rtp->payload;
    }
    if (datagram.empty() || datagram.size() % mpegts::kPacketSize != 0) {
      ++reception_.not_ts;
      if (!datagram.empty() && datagram.size() % kPacketWithParity == 0 && datagram[0] == mpegts::kSyncByte)
        ++reception_.packets_204;
      return;
    }
    if (datagram.size() > kMostPackets * mpegts::kPacketSize) ++reception_.over_seven;
    analyzer_.on_datagram(datagram, at);
  }

  void on_sequence(std::uint16_t sequence) {
    if (any_sequence_) {
      const auto ahead = static_cast<std::uint16_t>(sequence - next_sequence_);
      if (ahead >= 0x8000) {
        ++reception_.rtp_reordered;
        return;
      }
      reception_.rtp_lost += ahead;
    }
    any_sequence_ = true;
    next_sequence_ = static_cast<std::uint16_t>(sequence + 1);
  }

  bool rtp_;
  bool any_sequence_ = false;
  std::uint16_t next_sequence_ = 0;
  Reception reception_;
  mpegts::StreamAnalyzer analyzer_{mpegts::es_codec_probes()};
  std::array<std::uint8_t, 65536> buffer_;
};

// The running gateway's view of a group that one of its inputs takes in: the packets from the ring that its
// fast path copies them into, and beside them what the input's counters say of the same time.
struct GatewayProbe {
  json tapped;                              // the answer to `tap`
  tl::expected<json, std::string> counted;  // the answer to `probe`
  tl::expected<std::uint64_t, std::string> lost;
  mpegts::StreamReport report;
};

// Nothing where the gateway takes it not in or none runs: a kernel socket is asked then.
std::optional<GatewayProbe> ask_gateway(const CommonOptions& common, const StreamUrl& url,
                                        std::chrono::milliseconds time) {
  const json wish = {{"group", url.host},
                     {"port", url.port},
                     {"source", url.source},
                     {"interface", url.interface},
                     {"seconds", static_cast<double>(time.count()) / 1000}};
  auto tapped = protocol::call(common.socket, "tap", wish, kAnswerBound);
  if (!tapped || !tapped->is_object() || !tapped->value("taken", false)) return std::nullopt;
  std::optional<GatewayProbe> probe(std::in_place);
  probe->tapped = std::move(*tapped);
  std::thread counters(
      [&] { probe->counted = protocol::call(common.socket, "probe", wish, time + kAnswerBound); });
  const auto analyzer = std::make_unique<mpegts::StreamAnalyzer>(mpegts::es_codec_probes());
  if (probe->tapped.contains("ring"))
    probe->lost = read_tap(probe->tapped["ring"].get<std::string>(), time, *analyzer);
  else
    probe->lost = tl::unexpected(probe->tapped.value("error", "the gateway gives no copy of them"));
  counters.join();
  probe->report = analyzer->report();
  return probe;
}

Reception reception_of(const json& counted, std::uint64_t lost) {
  Reception reception;
  reception.live = true;
  reception.kernel_drops = lost;
  if (counted.contains("report")) {
    const json& report = counted["report"];
    reception.datagrams = report.value("datagrams", std::uint64_t{0});
    reception.rtp_lost = report.value("rtp_lost", std::uint64_t{0});
    reception.rtp_reordered = report.value("rtp_reordered", std::uint64_t{0});
  }
  reception.drops = counted.value("drops", json::array());
  for (const json& drop : reception.drops) {
    const auto reason = drop.value("reason", "");
    const auto count = drop.value("count", std::uint64_t{0});
    for (const char* form : {"not_ts_size", "packet_size_204", "no_sync", "rtp_malformed"}) {
      if (reason == form) reception.not_ts += count;
    }
  }
  reception.datagrams += reception.not_ts;
  return reception;
}

// "udp" of "udp://239.10.1.1:5000"
std::string scheme_of(const std::string& url) { return url.substr(0, url.find("://")); }

int show_gateway_probe(const CommonOptions& common, const GatewayProbe& probe, const std::string& source,
                       ProbeContext context) {
  context.gateway = probe.tapped.at("gateway");
  const std::string asked = scheme_of(source);
  const std::string taken = scheme_of(context.gateway.value("url", source));
  if (asked != taken) context.note = fmt::format("the map takes this in as {}, not as {}", taken, asked);
  const std::string channel = context.gateway.value("channel", "");
  const auto refuse = [&](const std::string& why) {
    return fail(fmt::format("channel {} of the running gateway takes this in: {}", channel, why));
  };
  if (!probe.counted) return refuse(probe.counted.error());
  if (probe.lost && probe.report.packets > 0) {
    show(common, source, probe.report, reception_of(*probe.counted, *probe.lost), context);
    return 0;
  }
  if (probe.counted->contains("error")) return refuse(probe.counted->value("error", ""));
  if (!probe.counted->contains("report")) return refuse("it is no longer in the running map");
  const std::string why = probe.lost ? "none came through the fast path's copy" : probe.lost.error();
  if (!common.json) {
    fmt::print("{}", render_gateway_probe(*probe.counted, context, why));
    return 0;
  }
  json report = probe.counted->at("report");
  report["gateway"] = context.gateway;
  report["drops"] = probe.counted->value("drops", json::array());
  report["packets_unreadable"] = why;
  if (!context.note.empty()) report["note"] = context.note;
  fmt::print("{}\n", report.dump(2, ' ', false, json::error_handler_t::replace));
  return 0;
}

std::string nothing_usable(const ProbeOptions& options, bool rtp, const Reception& seen) {
  if (seen.datagrams == 0)
    return fmt::format(
        "nothing came from {} in {} ms: is it sent, is the interface right, does the network "
        "forward it?",
        options.source, options.time.count());
  if (seen.packets_204 == seen.datagrams)
    return fmt::format(
        "{} datagrams came, all of 204-byte packets: the gateway drops such (packet_size_204); "
        "set the sender to 188",
        seen.datagrams);
  return fmt::format("{} datagrams came, none of them transport packets{}", seen.datagrams,
                     rtp ? " in RTP" : "; try rtp://");
}

int probe_group(const CommonOptions& common, const ProbeOptions& options) {
  auto url = parse_stream_url(options.source);
  if (!url) return fail(url.error(), 2);
  if (!options.interface.empty()) url->interface = options.interface;
  const ProbeContext context = context_of(options);
  if (const auto probe = ask_gateway(common, *url, options.time))
    return show_gateway_probe(common, *probe, options.source, context);
  const auto socket = open_receiver(*url);
  if (!socket) return fail(socket.error());
  const auto probe = std::make_unique<LiveProbe>(url->rtp);
  probe->listen(socket->get(), options.time);
  const auto report = probe->report();
  if (report.packets == 0) return fail(nothing_usable(options, url->rtp, probe->reception()));
  show(common, options.source, report, probe->reception(), context);
  return 0;
}

}  // namespace

int probe_command(const CommonOptions& common, const ProbeOptions& options) {
  if (is_stream_url(options.source)) return probe_group(common, options);
  if (options.source.find("://") != std::string::npos)
    return fail("probe takes udp://, rtp:// or a file, not " + options.source, 2);
  return probe_file(common, options);
}

}  // namespace headgate::control
