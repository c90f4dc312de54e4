// The media thread's end of what is received: finds the entry of each connection, attaches it, hands on what
// came, and ends connections whose entry is gone or was taken by another source. Threading: owned by the
// media thread; its functions call out on that thread only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "dataplane/bridge/ingest/entry.h"
#include "dataplane/bridge/srt/arrival.h"

namespace headgate::bridge::srt {

class Arrivals {
 public:
  struct Out {
    // The entry of a channel's publisher; null: there is none.
    std::function<ingest::Entry*(std::string_view channel)> find;
    std::function<void(ConnectionId, std::string why)> close;
    std::function<void(const std::string& peer, const std::string& channel)> refused;  // the place is taken
    std::function<void(const std::string& channel)> heard;  // a publisher of another protocol
  };
  explicit Arrivals(Out out) : out_(std::move(out)) {}
  // Detaches all: the entries outlive it.
  ~Arrivals();
  Arrivals(const Arrivals&) = delete;
  Arrivals& operator=(const Arrivals&) = delete;

  void take(std::vector<Arrival> arrivals);
  void add_input(InputId input, ingest::Entry& entry);
  void remove_input(InputId input);
  // The entry goes: its publisher is sent away.
  void release(const ingest::Entry& entry);
  // Its connection, if it has one, is ended; the entry stays.
  bool end(const ingest::Entry& entry, const std::string& why);
  // From time to time: which of these channels have a publisher of another protocol.
  void look_for_others(const std::vector<std::string>& channels);

 private:
  struct Connection {
    ingest::Entry* entry = nullptr;
    InputId input = 0;
    bool ending = false;
  };

  void on(const Connected& arrival);
  void on(Received& arrival);
  void on(const Ending& arrival);
  void on(const Ended& arrival);
  void on(const Trying& arrival);
  void on(const Listening& arrival);
  void on(const Failed& arrival);
  void on(const Measured& arrival);
  void make_way(const ingest::Entry& entry);
  ingest::Entry* entry_of(InputId input) const;

  Out out_;
  std::map<InputId, ingest::Entry*> inputs_;
  std::map<ConnectionId, Connection> connections_;
  std::map<std::string, std::uint64_t> bytes_;  // of publish entries at the last look
  std::set<std::string> ours_;                  // those that were SRT's at the last look
};

}  // namespace headgate::bridge::srt
