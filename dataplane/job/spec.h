// A job: a folder in run_dir/bridge/jobs that the bridge makes, with a spec, a ring to the worker and one
// back. The transcode process runs one worker for each such folder and ends it when the folder goes; a folder
// made anew under the same name is another job. So either side can be killed and find its work again.
// Threading: pure functions, but for write_spec and read_spec, which touch the folder.
#pragma once

#include <cstdint>
#include <string>

#include <tl/expected.hpp>

namespace headgate::job {

enum class Kind : std::uint8_t {
  sound,     // all audio tracks of a channel: AAC beside them, loudness; name "sound.CHANNEL"
  ladder,    // the pictures of one derived rendition, by x264; name "ladder.RENDITION.HEIGHT"
  pictures,  // thumbnails of all channels, each decoded in a process of its own; name "pictures"
};
const char* to_string(Kind kind) noexcept;

struct Spec {
  Kind kind = Kind::sound;
  std::string channel;  // whose input this is: what status, log and quarantine name; "" for pictures
  bool operator==(const Spec&) const = default;
};

// `folder`: of the job.
struct Paths {
  std::string folder;
  std::string spec() const {
    return folder + "/spec.json";
  }  // written last, atomically: the job is there with it
  std::string to_worker() const { return folder + "/in.ring"; }
  std::string from_worker() const { return folder + "/out.ring"; }
};

tl::expected<void, std::string> write_spec(const Paths& paths, const Spec& spec);
// Errors name the file.
tl::expected<Spec, std::string> read_spec(const Paths& paths);

}  // namespace headgate::job
