// What a channel is given in a multiplex, and keeps. Threading: owned by one thread.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "config/model/model.h"
#include "control/reconcile/build_states.h"

namespace headgate::control {

// Its own service_id, else the one it was given before, else its number, else the lowest that is free; and
// the lowest row of PIDs that nobody has.
class MultiplexPlaces {
 public:
  // `channels`: the members, which outlive this.
  MultiplexPlaces(const config::Multiplex& multiplex, const std::vector<const config::Channel*>& channels,
                  Handles& handles);
  // Of a member; each is asked for once.
  Handles::Place place(const config::Channel& channel);

 private:
  std::uint16_t free_service(const config::Channel& channel);
  std::uint32_t free_block();

  std::string prefix_;
  Handles& handles_;
  std::set<std::uint16_t> services_;
  std::set<std::uint32_t> blocks_;      // of members
  std::set<std::uint32_t> remembered_;  // and of those that were
  std::set<std::string> kept_;          // members whose service_id stays
};

}  // namespace headgate::control
