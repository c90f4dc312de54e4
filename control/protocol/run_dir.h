// Where things lie in run_dir. One place, so that every process agrees.
// Threading: pure functions.
#pragma once

#include <string>

namespace headgate::protocol {

struct RunDir {
  std::string root;

  std::string control_socket() const { return root + "/control.sock"; }    // CLI -> control
  std::string launcher_socket() const { return root + "/launcher.sock"; }  // control -> launcher
  std::string lock(const std::string& process) const {
    return root + "/" + process + ".lock";
  }                                                                // pid inside, flock held
  std::string fastpath_dir() const { return root + "/fastpath"; }  // writable by the fast path
  std::string bridge_dir() const { return root + "/bridge"; }      // writable by the bridge
  std::string fastpath_state() const {
    return root + "/state/fastpath.json";
  }  // written by control, atomically
  std::string bridge_state() const { return root + "/state/bridge.json"; }
  std::string fastpath_socket() const { return fastpath_dir() + "/control.sock"; }
  std::string bridge_socket() const { return bridge_dir() + "/control.sock"; }
  std::string fastpath_stats() const { return fastpath_dir() + "/stats"; }
  std::string timelines() const { return fastpath_dir() + "/timelines"; }
  std::string bridge_ring() const { return fastpath_dir() + "/to-bridge-0.ring"; }
  std::string fastpath_ring() const { return bridge_dir() + "/to-fastpath-0.ring"; }
  std::string hls_dir() const { return bridge_dir() + "/hls"; }
  // A folder a job (dataplane/job/spec.h).
  std::string jobs_dir() const { return bridge_dir() + "/jobs"; }
  // CHANNEL.jpg, the thumbnail; CHANNEL.tile, the raw RGB of the mosaic (dataplane/job/message.h).
  std::string pictures_dir() const { return bridge_dir() + "/pictures"; }
  std::string watch_page() const { return bridge_dir() + "/watch"; }  // control/protocol/watch_page.h
  std::string transcode_dir() const { return root + "/transcode"; }   // writable by the transcode process
  // What the workers of each job died of (dataplane/transcode/strikes_file.h).
  std::string strikes_dir() const { return transcode_dir() + "/strikes"; }
  std::string transcode_state() const { return root + "/state/transcode.json"; }
  std::string transcode_socket() const { return transcode_dir() + "/control.sock"; }
};

}  // namespace headgate::protocol
