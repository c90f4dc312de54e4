// Inputs that are fetched: what the media thread holds of them.
#include <memory>

#include "dataplane/bridge/ingest/source.h"
#include "dataplane/bridge/srt/server_impl.h"

namespace headgate::bridge::srt {
namespace {

class Input : public ingest::Source {
 public:
  Input(const std::shared_ptr<Server::Impl>& server, InputId id) : server_(server), id_(id) {}
  ~Input() override {
    const auto server = server_.lock();
    if (!server || !server->worker) return;
    server->arrivals->remove_input(id_);
    server->intake->remove_input(id_);
  }
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

 private:
  std::weak_ptr<Server::Impl> server_;
  InputId id_;
};

}  // namespace

std::unique_ptr<ingest::Source> Server::make_input(ingest::Entry& entry) {
  const protocol::BridgeInput& wanted = entry.input();
  const bool calls = wanted.kind == protocol::SourceKind::srt_caller;
  if (!calls && wanted.kind != protocol::SourceKind::srt_listener) return nullptr;
  impl_->start();
  const InputId id = impl_->next_input++;
  impl_->arrivals->add_input(id, entry);
  if (calls) {
    CallTarget target;
    target.address = wanted.address;
    target.stream_id = wanted.stream_id;
    target.passphrase = wanted.passphrase;
    target.latency_ms = wanted.latency_ms;
    impl_->intake->add_call(id, std::move(target));
  } else {
    impl_->intake->add_port(id, {wanted.address, wanted.passphrase, wanted.latency_ms});
  }
  return std::make_unique<Input>(impl_, id);
}

}  // namespace headgate::bridge::srt
