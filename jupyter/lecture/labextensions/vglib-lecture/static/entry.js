// JupyterLab loads an extension from a container such as webpack makes. This is one written by
// hand, so that the lecture's modules reach the page as they stand here, without a build.
{
  const address = document.currentScript.src;
  const scope = {};

  const taken = async (name) => {
    const [{ get }] = Object.values(scope[name]);
    return (await get())();
  };

  window._JUPYTERLAB ??= {};
  window._JUPYTERLAB["vglib-lecture"] = {
    init: (shared) => void Object.assign(scope, shared),
    async get() {
      const notebook = await taken("@jupyterlab/notebook");
      const { makePlugin } = await import(new URL("plugin.js", address));
      const plugin = makePlugin(notebook);
      return () => ({ __esModule: true, default: plugin });
    },
  };
}
