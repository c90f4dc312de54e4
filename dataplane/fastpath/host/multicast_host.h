// The multicast host of one interface and VLAN: keeps group memberships alive with IGMPv1, v2 or v3.
// References: RFC 3376 section 3.2 (merging), 5.1 (changes), 5.2 (queries), 7.2 (older queriers), 8 (timers);
// RFC 2236 section 3; RFC 1112 appendix I. DEVIATES: RFC 3376 9.1: queries without Router Alert or from
// 0.0.0.0 are answered too; snooping switches send both. Threading: owned by one thread. Time is any
// monotonic count and comes in; frames go out through the sink, which outlives the host. join() and leave()
// send nothing: the frames go out with on_timer(), at next_deadline() (at once).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include "dataplane/fastpath/host/igmp_message.h"

namespace headgate::fastpath {

using Time = std::chrono::nanoseconds;

class FrameSink {
 public:
  virtual ~FrameSink() = default;
  virtual void send(Bytes frame) = 0;
};

// Uniform in [0, bound].
using Random = std::function<std::uint64_t(std::uint64_t bound)>;

enum class IgmpVersionMode { automatic, v1, v2, v3 };

class MulticastHost {
 public:
  struct Counters {
    int version = 3;    // in force
    Time last_query{};  // 0: none yet
    Time last_report{};
    std::uint64_t queries = 0;
    std::uint64_t reports = 0;  // frames sent: reports and leaves
    std::uint64_t groups = 0;
  };

  MulticastHost(IgmpSender sender, std::size_t mtu, IgmpVersionMode mode, Random random, FrameSink& sink);

  // Reference-counted: each join wants its own leave. No source: any. False: not a group that can be joined,
  // or a leave without its join.
  bool join(Ipv4 group, std::optional<Ipv4> source, Time now);
  bool leave(Ipv4 group, std::optional<Ipv4> source, Time now);
  // Reports everything again soon, without leaving anything.
  void refresh(Time now);
  // Reports do get lost: a switch whose port is not yet forwarding takes none, and no one tells us. From
  // doubt() on, a joined membership is announced again after 1 s, and then with pauses that double up to the
  // query interval (but never below a second), until confirm() or leave(). Beyond RFC 3376 5.1, as if its
  // robustness were larger.
  void doubt(Ipv4 group, std::optional<Ipv4> source, Time now);
  void confirm(Ipv4 group, std::optional<Ipv4> source);

  void on_packet(const Ipv4View& packet, Time now);  // protocol 2
  void on_timer(Time now);
  std::optional<Time> next_deadline() const;  // cheap: found anew only after a change

  const Counters& counters() const noexcept { return counters_; }

 private:
  struct Group {
    // What channels want.
    unsigned any_source = 0;
    std::map<Ipv4, unsigned> sources;
    // What is still to be announced.
    bool announced = true;                    // the last change went out at least once
    unsigned mode_reports = 0;                // filter-mode-change records left (version 3)
    std::map<Ipv4, unsigned> source_reports;  // source-list-change records left (version 3)
    unsigned plain_reports = 0;               // reports left (versions 1, 2)
    bool plain_leave = false;                 // leave to send (version 2)
    std::optional<Time> change_at;
    // Memberships that nothing has confirmed; 0.0.0.0: that of any source.
    std::set<Ipv4> doubtful;
    Time doubt_interval{};
    std::optional<Time> doubt_at;
    // Answer to a query.
    std::optional<Time> response_at;
    std::set<Ipv4> queried_sources;  // empty: the whole group

    bool member() const { return any_source > 0 || !sources.empty(); }
    bool exclude() const { return any_source > 0; }
  };
  using Groups = std::map<Ipv4, Group>;

  void on_query(const IgmpQuery& query, Time now);
  void on_general_query(Time delay, Time now);
  void on_group_query(const IgmpQuery& query, Time delay, Time now);
  void update_version(Time now);
  void membership_changed(Group& group, bool was_member, bool was_exclude, std::optional<Ipv4> source,
                          Time now);
  void repeat_doubtful(Time now);
  bool nothing_left(const Group& group) const;
  void send_changes(Time now);
  void send_changes_v3(Time now);
  void send_responses(Time now);
  void take_change_records(Ipv4 address, Group& group, Time now, std::vector<GroupRecord>& out);
  void send_plain_change(Ipv4 address, Group& group, Time now);
  std::optional<GroupRecord> response_record(Ipv4 address, const Group& group) const;
  static GroupRecord current_state(Ipv4 address, const Group& group);
  void send_records(std::vector<GroupRecord> records, Time now);
  void send(Bytes frame, Time now);
  std::optional<Time> find_deadline() const;
  bool may_send(Time now);
  Time random_delay(Time bound);
  void drop_finished();

  IgmpSender sender_;
  std::size_t mtu_;
  IgmpVersionMode mode_;
  Random random_;
  FrameSink& sink_;
  Counters counters_;
  Groups groups_;
  unsigned robustness_;
  Time querier_interval_;
  std::optional<Time> v1_until_;  // older version querier present, RFC 3376 8.12
  std::optional<Time> v2_until_;
  std::optional<Time> general_at_;
  // Pacing: a bucket of frames, filled one a millisecond.
  unsigned tokens_;
  Time tokens_at_{};
  mutable std::optional<Time> deadline_;
  mutable bool deadline_known_ = false;
};

}  // namespace headgate::fastpath
