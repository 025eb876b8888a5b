//! Safe HIP: device, stream, event, memory, module, launch, graph.
