// What the workers of a job died of, kept in run_dir/transcode/strikes for the supervisor that takes this
// one's place. Format: docs/formats.md. Threading: functions without state.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "dataplane/transcode/strikes.h"

namespace headgate::transcode {

struct StrikesFile {
  std::string last_error;
  std::map<std::uint32_t, Strikes::Record> of;  // by asker of pictures; other jobs: 0
};

struct StrikesPlace {
  std::string path;
  std::string job;  // which one of those that had this name
};

// Nothing where there is none, or one that can't be read or is of another job: then everybody begins anew.
StrikesFile read_strikes(const StrikesPlace& place);
// Where it can't be written, the log says so, and a successor knows nothing.
void write_strikes(const StrikesPlace& place, const StrikesFile& file);

}  // namespace headgate::transcode
