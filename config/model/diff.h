// What changes between two models: the plan that `headgate plan` prints and `apply` carries out. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "config/model/model.h"

namespace headgate::config {

// A key with its values, for people: "serve.hls.segment", "4s", "2s". "" where there was or will be none. No
// secret is among them.
struct ValueChange {
  std::string key;
  std::string before;
  std::string after;
  bool operator==(const ValueChange&) const = default;
};

struct ChannelChange {
  std::string id;
  std::vector<std::string> keys;  // "name", "inputs", "push", "serve.hls", "enabled", ...
  bool interrupts_media = false;  // multicast out of this channel pauses, comes later or breaks
  bool interrupts_hls = false;    // HLS viewers of this channel see a break
  // The protocols, as `serve` names them, whose players of this channel see a break or are sent away. One
  // that comes, goes or changes leaves those of the others alone.
  std::vector<std::string> interrupts_viewers;
  // Pushes that end or go elsewhere, and RTP pushes whose sequence numbers begin anew. Another TTL or DSCP of
  // a UDP push costs nothing: the next datagram has it.
  std::vector<std::string> interrupts_pushes;
  std::vector<ValueChange> values;
  bool operator==(const ChannelChange&) const = default;
};

// A server's address that is no more what its players connected to.
struct ListenerChange {
  std::string key;      // "servers.rtmp"
  std::string address;  // "[::]:1935"
  bool closes = false;  // else it asks for another passphrase
  std::vector<std::string> protocols;
  std::vector<std::string> others;  // the addresses of the server under the wanted map
  bool operator==(const ListenerChange&) const = default;
};

// In words: "sport, sport 360 lines at 800kbps"; before is "" where it comes, after where it goes.
struct RenditionChange {
  std::string id;
  std::string before;
  std::string after;
  bool interrupts_viewers = false;  // one that they may be on goes
  bool operator==(const RenditionChange&) const = default;
};

// In words: "news, sport at 12Mbps"; before is "" where it comes, after where it goes.
struct MultiplexChange {
  std::string id;
  std::string before;
  std::string after;
  bool interrupts_media = false;  // of the whole; a member that comes or goes disturbs no other
  bool operator==(const MultiplexChange&) const = default;
};

struct Plan {
  std::vector<std::string> added;
  std::vector<ChannelChange> changed;
  std::vector<std::string> removed;
  std::vector<std::string> untouched;
  std::vector<RenditionChange> renditions;
  std::vector<MultiplexChange> multiplexes;
  std::vector<std::string> node_keys;  // changed node keys, dotted: "interfaces.cap0.mtu"
  std::vector<ValueChange> node_values;
  std::vector<ListenerChange> listeners;
  std::vector<std::string> restarts;  // processes that apply must restart: "fastpath", "bridge"
  std::vector<std::string> refused;  // node keys that can't change at run time: "node", "run_dir", "data_dir"
  bool empty() const {
    return added.empty() && changed.empty() && removed.empty() && renditions.empty() && multiplexes.empty() &&
           node_keys.empty();
  }
  bool operator==(const Plan&) const = default;
};

// The number of the input that is on air, by channel, as far as it is known.
using OnAir = std::map<std::string, std::uint32_t>;

// A sound track, by what audio.transcode and RTMP make of it.
enum class Sound {
  aac,        // AAC-LC of 48 kHz in ADTS: nothing is made of it
  other_aac,  // in ADTS
  mp3,
  latm,   // AAC that RTMP gets as it is
  dolby,  // AC-3, E-AC-3: RTMP carries it where there is no AAC
  other,  // that RTMP can't carry
};

// Of channels whose tracks are known.
using SoundSeen = std::map<std::string, std::vector<Sound>>;

// What comes from an input that stays as it is, under its number, goes on whatever becomes of the others.
// Where nobody knows which of several inputs is on air, it may be any; where nobody knows the sound, AAC may
// be made of it.
Plan diff(const Model& running, const Model& wanted, const OnAir& on_air = {}, const SoundSeen& sound = {});

}  // namespace headgate::config
