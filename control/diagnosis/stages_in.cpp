// The way of a datagram to us: the port, our membership, what arrives.
#include <algorithm>

#include "control/diagnosis/judgement.h"
#include "control/diagnosis/words.h"
#include "control/protocol/counted.h"

namespace headgate::control::diagnosis {
namespace {

using protocol::counted;
using protocol::DropReason;

// Groups that stop within this time stopped for one reason.
constexpr std::int64_t kTogetherNs = 5 * words::kSecondNs;

bool is_multicast(const std::string& address) {
  const int first = std::atoi(address.c_str());
  return first >= 224 && first <= 239;
}

std::string what_sends(const Case& about) {
  return about.input->source.empty() ? "The source of " + about.input->group
                                     : fmt::format("The source {}", about.input->source);
}

std::string probe_hint(const Case& about) {
  return fmt::format("headgate probe {} --time 5s", about.input->url);
}

// How many inputs of the network, this one among them, stopped within a few seconds of it.
std::size_t stopped_together(const Case& about, std::int64_t last) {
  const auto& all = about.neighbours->stopped_ns;
  const auto from = std::lower_bound(all.begin(), all.end(), last - kTogetherNs),
             to = std::upper_bound(all.begin(), all.end(), last + kTogetherNs);
  return static_cast<std::size_t>(to - from);
}

// All datagram inputs of the network come from the one address that the map names.
bool one_source_for_all(const Case& about) {
  if (about.input->source.empty()) return false;
  for (const config::Channel& channel : about.view.model->channels) {
    for (const config::Input& input : channel.inputs) {
      if (channel.enabled && !config::by_bridge(input) && input.interface == about.input->interface &&
          input.vlan == about.input->vlan && input.source != about.input->source)
        return false;
    }
  }
  return true;
}

Cause silent_cause(Culprit culprit, std::string verdict, std::string remedy, std::int64_t since,
                   const Case& about) {
  auto [kind, subject] = about.silence_alarm();
  return {Weight::fatal, culprit,         std::move(verdict), std::move(remedy),
          since,         std::move(kind), std::move(subject), true};
}

// They are sent to another port of the group.
bool judge_wrong_port(const Case& about, Judgement& judgement) {
  const auto count = about.dropped(DropReason::wrong_port);
  if (count == 0 || about.seen->wrong_port == 0) return false;
  const config::Input& input = *about.input;
  const bool came = about.seen->last_packet_unix_ns != 0;
  judgement.note(fmt::format("meanwhile {} of {} to port {} (wrong_port)", counted(count, "datagram"),
                             input.group, about.seen->wrong_port));
  judgement.cause(silent_cause(
      came ? Culprit::source : Culprit::map,
      fmt::format("{} is sent to port {}, and no channel takes that; {} {}.", input.group,
                  about.seen->wrong_port, came ? "before, it came to" : "the map names", input.port),
      fmt::format("If port {} is meant, write it in the map, then headgate apply; else correct the sender.",
                  about.seen->wrong_port),
      came ? static_cast<std::int64_t>(about.seen->last_packet_unix_ns) : 0, about));
  return true;
}

// Datagrams came, and none of them could be used.
bool judge_unusable(const Case& about, Judgement& judgement) {
  const std::string& url = about.input->url;
  const bool udp = about.input->protocol == config::DatagramProtocol::udp;
  const std::string sender =
      about.seen->wrong_source == 0 ? "another source" : ipv4_text(about.seen->wrong_source);
  struct Rule {
    DropReason reason;
    Culprit culprit;
    std::string verdict, remedy;
  };
  const Rule rules[] = {
      {DropReason::wrong_source, Culprit::source,
       fmt::format("Datagrams of {} come from {}, but none from {}, which the map names.", about.input->group,
                   sender, about.input->source),
       fmt::format("If {} is meant, write it as SOURCE@ in the map, or leave SOURCE@ out, then headgate "
                   "apply; else find who runs it.",
                   sender)},
      {DropReason::packet_size_204, Culprit::source, url + " brings packets of 204 bytes.",
       "Set the sender to packets of 188 bytes (Reed-Solomon bytes off)."},
      {DropReason::not_ts_size, udp ? Culprit::map : Culprit::source,
       udp ? url + " brings datagrams that are not packets of 188 bytes: it is RTP, or no transport stream."
           : url + " brings RTP whose payload is not packets of 188 bytes.",
       udp ? "If the sender sends RTP, write rtp:// in the map, then headgate apply; else look at the sender."
           : "Look at the sender's output format."},
      {DropReason::rtp_malformed, Culprit::map, url + " brings datagrams without an RTP header.",
       "If the sender sends plain UDP, write udp:// in the map, then headgate apply."},
      {DropReason::no_sync, Culprit::source,
       url + " brings datagrams of the right size in which no packet begins with 0x47.",
       "Look at the sender's output format: it is encrypted, or no transport stream."},
      {DropReason::malformed_ip, Culprit::network, url + " brings frames whose IP or UDP lengths are wrong.",
       "Find what breaks them on the way: tcpdump -e on a mirror port; check the MTU."},
  };
  for (const Rule& rule : rules) {
    const auto count = about.dropped(rule.reason);
    if (count == 0) continue;
    const auto& info = protocol::kDropReasons[static_cast<std::size_t>(rule.reason)];
    judgement.note(fmt::format("{} dropped as {}: {}", counted(count, "datagram"), info.name, info.sentence));
    judgement.cause({Weight::fatal, rule.culprit, rule.verdict, rule.remedy,
                     static_cast<std::int64_t>(about.seen->last_packet_unix_ns),
                     rule.reason == DropReason::wrong_source ? "wrong_source" : "wrong_format",
                     about.input_subject(), true});
    return true;
  }
  return false;
}

// It came before, and does not any more.
void judge_stopped(const Case& about, std::int64_t last, Judgement& judgement) {
  const NetworkRecent& all = *about.neighbours;
  const std::string ago = words::age(about.age_of(last));
  const std::size_t together = stopped_together(about, last);
  if (querier_explains(about) > 0) return;  // told already
  // What takes it in has no core: whether more is wrong can't be told.
  if (all.flowing == 0 && about.starved_at(last))
    return judgement.cause(
        {Weight::fatal, Culprit::host,
         fmt::format("This machine is short of CPU, and nothing on {} was taken in for {}.", about.place(),
                     ago),
         "Find what takes the CPU (top) and end it; give the fast path a core of its own (fastpath.cores).",
         last, "host_overload", "", true});
  if (all.flowing == 0 && together > 1) {
    if (one_source_for_all(about))
      return judgement.cause(silent_cause(
          Culprit::unknown,
          fmt::format(
              "All {} inputs on {} stopped {} ago; all are sent by {}: it, or the way from it, failed.",
              together, about.place(), ago, about.input->source),
          fmt::format("Ask whether {} still sends; if it does, follow its route to the switch port of {}.",
                      about.input->source, about.input->interface),
          last, about));
    return judgement.cause(silent_cause(
        Culprit::network,
        fmt::format("All {} inputs on {} stopped together {} ago, though the link is up.", together,
                    about.place(), ago),
        fmt::format(
            "Look upstream of the port: the VLAN on the switch port of {}, the router, the way to the "
            "sources.",
            about.input->interface),
        last, about));
  }
  if (all.flowing > 0 && together > 2)
    return judgement.cause(silent_cause(
        Culprit::unknown,
        fmt::format(
            "{} inputs on {} stopped together {} ago, {} others still come: what the {} share failed, "
            "a site of sources or the way from it.",
            together, about.place(), ago, all.flowing, together),
        "headgate status lists them. Ask what they have in common; probe one of them nearer to its source.",
        last, about));
  if (all.flowing > 0)
    return judgement.cause(silent_cause(
        Culprit::source,
        fmt::format("{} stopped sending {} ago; {} on {} still come{}.", what_sends(about), ago,
                    counted(all.flowing, "other input"), about.place(), all.flowing == 1 ? "s" : ""),
        fmt::format("Ask whoever runs the source of {}. If it sends: {} at the last switch before us.",
                    about.input->group, probe_hint(about)),
        last, about));
  judgement.cause(silent_cause(
      Culprit::unknown,
      fmt::format(
          "Nothing of {} has come for {}. It is alone on {}: nothing tells its source from the network.",
          about.input->url, ago, about.place()),
      "Ask the source whether it sends; if it does, look for it on the switch before us, port by port.", last,
      about));
}

void judge_never_came(const Case& about, Judgement& judgement) {
  const NetworkRecent& all = *about.neighbours;
  const std::string since = words::age(about.age_of(about.health.since_unix_ns));
  const auto strays = about.port_dropped(DropReason::no_flow);
  if (strays > 0)
    judgement.note(fmt::format("meanwhile {} on {} that no channel takes (no_flow)",
                               counted(strays, "datagram"), about.input->interface));
  if (all.flowing == 0 && about.port_lately != nullptr && about.port_lately->rx_packets == 0)
    return judgement.cause(silent_cause(
        Culprit::unknown,
        fmt::format("Not one frame comes in on {}, of this channel or any other, though the link is up.",
                    about.input->interface),
        fmt::format(
            "Compare the device of {} in the node file with the cabling, and the switch port's VLANs.",
            about.input->interface),
        0, about));
  judgement.cause(silent_cause(
      Culprit::unknown,
      fmt::format(
          "Nothing of {} has ever come (for {}){}: a wrong group, port, VLAN or SOURCE in the map, or a "
          "source that does not send.",
          about.input->url, since,
          all.flowing == 0 ? ""
                           : fmt::format("; {} on {} come{}", counted(all.flowing, "other input"),
                                         about.place(), all.flowing == 1 ? "s" : "")),
      "Compare the map with the sender's settings; then " + probe_hint(about) + ".", 0, about));
}

}  // namespace

void judge_link(const Case& about, Judgement& judgement) {
  judgement.stage("link");
  if (!about.datagrams()) return judgement.off("its input comes through the bridge, not by a port of ours");
  if (about.port == nullptr) return judgement.note("the fast path shows no port " + about.input->interface);
  const std::string& name = about.port->name;
  const auto since = about.port_lately == nullptr ? 0 : about.port_lately->link_since_unix_ns;
  if (!about.port->link_up) {
    const std::string lasts = since == 0 ? "" : fmt::format(" for {}", words::age(about.age_of(since)));
    judgement.note(fmt::format("{}: NO LINK{}", name, lasts));
    const auto last = about.seen == nullptr ? 0 : static_cast<std::int64_t>(about.seen->last_packet_unix_ns);
    const bool before = since != 0 && last != 0 && last < since - words::kFoundLateNs;
    return judgement.cause(
        {Weight::fatal, Culprit::network,
         fmt::format("The port {} has no link{}: nothing on it can arrive.{}", name, lasts,
                     before
                         ? fmt::format(" But the input was silent {} before that.", words::age(since - last))
                         : ""),
         fmt::format("Check cable, optics and the switch port at the other end of {} ({}).", name,
                     about.port->device),
         since, "link_down", name});
  }
  judgement.ok();
  const bool known = about.port_lately != nullptr && about.recent.window_ns > 0;
  judgement.note(fmt::format(
      "{}: up{}{}", name, since == 0 ? "" : fmt::format(" for {}", words::age(about.age_of(since))),
      known ? fmt::format(", {} in the last {}", counted(about.port_lately->rx_packets, "frame"),
                          words::age(about.recent.window_ns))
            : ""));
  const bool harmed = about.has_holes() || !about.flows();
  const Weight weight = harmed ? Weight::damage : Weight::advice;
  if (const auto broken = about.port_dropped(DropReason::nic_error); broken > 0) {
    judgement.note(fmt::format("{} with errors (nic_error)", counted(broken, "frame")));
    judgement.cause({weight, Culprit::nic,
                     fmt::format("The port {} receives damaged frames: {} in the last {}.", name, broken,
                                 words::age(about.recent.window_ns)),
                     "Cable, optics or duplex: the counters of the switch port at the other end say which.",
                     0, "", ""});
  }
  const auto missed =
      about.port_dropped(DropReason::nic_missed) + about.port_dropped(DropReason::nic_no_buffer);
  if (missed == 0) return;
  const bool host = about.starved();
  judgement.note(fmt::format("{} dropped because the queue was full (nic_missed)", counted(missed, "frame")));
  judgement.cause(
      {weight, host ? Culprit::host : Culprit::nic,
       host ? fmt::format(
                  "This machine is short of CPU, and the queue of {} ran over: {} lost in the last {}.", name,
                  counted(missed, "frame"), words::age(about.recent.window_ns))
            : fmt::format("The queue of the port {} ran over: {} lost in the last {}, worker busy {}.", name,
                          counted(missed, "frame"), words::age(about.recent.window_ns),
                          words::percent(about.recent.busy_ratio)),
       host ? "Find what takes the CPU (top) and end it; give the fast path a core of its own "
              "(fastpath.cores)."
            : "Give the polling core to nothing else (fastpath.cores, huge pages); fewer channels on this "
              "node.",
       0, host ? "host_overload" : "", ""});
}

std::optional<std::int64_t> querier_silent(const Case& about) {
  if (about.network == nullptr || about.neighbours == nullptr || about.network->groups == 0)
    return std::nullopt;
  const auto heard = std::max(about.network->last_query_unix_ns, about.view.snapshot.started_unix_ns);
  const std::int64_t silent = about.age_of(heard);
  const std::int64_t late = about.neighbours->query_late_ns;
  return late > 0 && silent > late ? std::optional(silent) : std::nullopt;
}

namespace {

// Inputs of the network that stopped since the last query: what stopped before was not forgotten after it.
std::size_t stopped_since_query(const Case& about) {
  const auto asked = static_cast<std::int64_t>(about.network->last_query_unix_ns);
  const auto& stopped = about.neighbours->stopped_ns;
  return static_cast<std::size_t>(stopped.end() -
                                  std::lower_bound(stopped.begin(), stopped.end(), asked - kTogetherNs));
}

// It was forgotten until we reported it again: a gap in all inputs, of which some may still be out.
bool came_back(const Case& about) {
  if (!about.flows() || !about.has_holes() || about.neighbours->outlived_query) return false;
  return about.holes_all_over() ||
         (stopped_since_query(about) > 0 && stopped_since_query(about) * 2 + 1 >= about.neighbours->inputs);
}

}  // namespace

std::size_t querier_explains(const Case& about) {
  if (!querier_silent(about) || about.flows() || about.seen == nullptr || about.neighbours->outlived_query)
    return 0;
  const auto asked = static_cast<std::int64_t>(about.network->last_query_unix_ns);
  const auto last = static_cast<std::int64_t>(about.seen->last_packet_unix_ns);
  if (last == 0 || last < asked - kTogetherNs) return 0;
  const std::size_t explained = stopped_since_query(about);
  return about.neighbours->flowing == 0 || explained > 1 ? explained : 0;
}

void judge_membership(const Case& about, Judgement& judgement) {
  judgement.stage("membership");
  if (!about.datagrams()) return judgement.off("its input needs no membership");
  if (!is_multicast(about.input->group)) return judgement.off("unicast: nothing to join");
  if (about.network == nullptr) return judgement.note("the fast path shows no network " + about.place());
  const NetworkSnapshot& network = *about.network;
  judgement.ok();
  judgement.note(fmt::format(
      "IGMPv{} on {}: last query {}, last report {}, {}", network.igmp_version, about.place(),
      network.last_query_unix_ns == 0 ? "never"
                                      : words::age(about.age_of(network.last_query_unix_ns)) + " ago",
      network.last_report_unix_ns == 0 ? "never"
                                       : words::age(about.age_of(network.last_report_unix_ns)) + " ago",
      counted(network.groups, "group")));
  if (about.seen != nullptr && about.seen->joined_unix_ns == 0) {
    judgement.note("no report was sent for this group yet");
    judgement.unknown();
  }
  const auto silent = querier_silent(about);
  if (!silent) return;
  const bool never = network.last_query_unix_ns == 0;
  const std::size_t explains = querier_explains(about);
  const bool outlived = about.neighbours->outlived_query;
  const bool gaps = came_back(about);
  const std::string what =
      never ? fmt::format("No IGMP querier was ever heard on {} ({})", about.place(), words::age(*silent))
            : fmt::format("The IGMP querier of {} fell silent {} ago", about.place(), words::age(*silent));
  judgement.cause(
      {explains > 0 ? Weight::fatal
       : gaps       ? Weight::damage
                    : Weight::advice,
       Culprit::network,
       explains > 0 ? fmt::format("{}, and {} stopped: the switch forgot who wants them.", what,
                                  counted(explains, "input"))
       : gaps       ? what + ": the switch forgets who wants them until we report it again."
       : outlived   ? what + ", and inputs went on coming for longer than a switch that snoops remembers "
                             "them: it explains no loss here."
                    : what + ": a switch that snoops will stop forwarding.",
       fmt::format("Bring the querier back: the multicast router of {}, or IGMP querier on a switch there.",
                   about.place()),
       about.view.now_unix_ns - *silent, "no_querier", about.network_subject()});
}

void judge_arrival(const Case& about, Judgement& judgement) {
  judgement.stage("arrival");
  if (about.input == nullptr) return judgement.off("the channel has no input");
  if (!about.datagrams()) return judge_source(about, judgement);
  if (about.seen == nullptr) return judgement.note("the fast path does not take this input in (yet)");
  const auto last = static_cast<std::int64_t>(about.seen->last_packet_unix_ns);
  if (about.flows()) {
    judgement.ok();
    judgement.note(
        fmt::format("{}: {}, {} in the last {}", about.input->url, words::rate(about.seen->bitrate_bps),
                    counted(about.lately->datagrams, "datagram"), words::age(about.recent.window_ns)));
    return;
  }
  judgement.bad(
      last == 0 ? about.input->url + ": nothing has ever come"
                : fmt::format("{}: last packet {} ago", about.input->url, words::age(about.age_of(last))));
  if (about.port != nullptr && !about.port->link_up) return;  // told already
  if (judge_unusable(about, judgement) || judge_wrong_port(about, judgement)) return;
  if (about.neighbours == nullptr) return;
  judgement.note(fmt::format("on {} {} of {} come", about.place(), about.neighbours->flowing,
                             counted(about.neighbours->inputs, "input")));
  last == 0 ? judge_never_came(about, judgement) : judge_stopped(about, last, judgement);
}

}  // namespace headgate::control::diagnosis
